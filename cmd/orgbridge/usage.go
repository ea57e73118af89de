package main

import (
	"flag"
	"fmt"
	"io"
	"strings"
)

func overview(w io.Writer) {
	fmt.Fprint(w, "orgbridge keeps the organizations of managed service providers in step with IT Glue.\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-16s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, `
Run "orgbridge COMMAND --help" for the flags of a command and the variables of the environment behind them.
To look around without IT Glue and without setting anything up: orgbridge demo
`)
}

func (c command) usage(w io.Writer, fs *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: orgbridge %s\n\n%s.\n", strings.Join(append([]string{c.name}, append(c.operands, "[flags]")...), " "), c.summary)
	if c.details != "" {
		fmt.Fprintf(w, "\n%s\n", c.details)
	}
	if len(c.examples) > 0 {
		fmt.Fprintf(w, "\nExamples:\n  %s\n", strings.Join(c.examples, "\n  "))
	}
	heading := "\nFlags:\n"
	fs.VisitAll(func(f *flag.Flag) {
		value, text := flag.UnquoteUsage(f)
		fmt.Fprintf(w, "%s  --%s\n      %s\n", heading, strings.TrimSpace(f.Name+" "+value), text)
		heading = ""
	})
}
