package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
)

const jsonFlag = "json"

// usageTemplate lists, for the program and for groups of commands, the commands that do something.
const usageTemplate = `{{define "command"}}
  {{rpad (slice .CommandPath 10) 21}} {{.Short}}{{end -}}
Usage: {{if .HasAvailableSubCommands}}{{.CommandPath}} COMMAND{{else}}{{.UseLine}}{{end}}

{{or .Long .Short | trimTrailingWhitespaces}}
{{- if .HasExample}}

Examples:
{{.Example}}{{end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}
{{- if and .HasAvailableSubCommands (ne .Name "completion")}}{{range .Commands}}{{template "command" .}}{{end}}
{{- else if .IsAvailableCommand}}{{template "command" .}}{{end}}{{end}}
{{- else}}

Flags:
{{.LocalFlags.FlagUsagesWrapped 120 | trimTrailingWhitespaces}}
{{- end}}
{{- if not .HasParent}}

Run "orgbridge COMMAND --help" for the flags of a command and the variables of the environment behind them.
To look around without IT Glue and without setting anything up: orgbridge demo
{{- end}}
`

// program is what its commands have in common.
type program struct {
	getenv func(string) string
	stdout io.Writer
	stderr io.Writer
}

// root returns the program as a command: all others are below it.
func (p program) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "orgbridge",
		Long:          "orgbridge keeps the organizations of managed service providers in step with IT Glue.",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(
		p.serve(), p.demo(), p.migrate(),
		group("account", "Create accounts", p.accountCreate()),
		group("token", "Create and revoke API tokens", p.tokenCreate(), p.tokenRevoke()),
		group("keys", "Make, rotate and give up sealing keys", p.keysCreate(), p.keysRotate(), p.keysDiscard()),
		p.healthcheck(), p.version(),
	)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpTemplate("{{.UsageString}}")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.InitDefaultCompletionCmd()
	refuseMisuse(root)
	return root
}

func group(name, summary string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: name, Short: summary, Long: summary + "."}
	c.AddCommand(commands...)
	return c
}

// command has c do its work with the configuration that the variables make, each a flag as well. Operands are what the first line of its
// usage names.
func (p program) command(c *cobra.Command, act action, variables ...config.Variable) *cobra.Command {
	flags := flag.NewFlagSet(c.Name(), flag.ContinueOnError)
	configuration := config.Declare(flags, variables...)
	c.Flags().AddGoFlagSet(flags)
	for _, v := range variables {
		if values := v.Values(); values != nil {
			complete(c, v.Flag(), cobra.ShellCompDirectiveNoFileComp, values...)
		}
		if v == config.Keyset {
			complete(c, v.Flag(), cobra.ShellCompDirectiveDefault)
		}
	}
	c.Long = strings.TrimSuffix(c.Short+".\n\n"+c.Long, "\n\n")
	c.RunE = func(c *cobra.Command, operands []string) error {
		conf, err := configuration.Parse(p.getenv)
		if err != nil {
			return err
		}
		in := invocation{config: conf, operands: operands, getenv: p.getenv, stdout: p.stdout, stderr: p.stderr}
		if c.Flags().Lookup(jsonFlag) != nil {
			in.json, err = c.Flags().GetBool(jsonFlag)
		}
		return errors.Join(err, act(c.Context(), in))
	}
	return c
}

// printsData gives a command the flag that has it print JSON.
func printsData(c *cobra.Command, fields string) *cobra.Command {
	c.Flags().Bool(jsonFlag, false, "print one JSON object on one line instead, with "+fields)
	return c
}

// complete tells shells what a flag may be set to.
func complete(c *cobra.Command, name string, otherwise cobra.ShellCompDirective, values ...string) {
	if err := c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, otherwise)); err != nil {
		panic(err) // there is no such flag
	}
}

// refuseMisuse has c and all commands below it refuse what they do not understand, where cobra would show help and call it a success.
func refuseMisuse(c *cobra.Command) {
	c.Args = operands
	if !c.Runnable() {
		c.Args, c.RunE = cobra.ArbitraryArgs, unknownCommand
	}
	for _, below := range c.Commands() {
		refuseMisuse(below)
	}
}

// operands demands those that the first line of the usage names, and no others.
func operands(c *cobra.Command, given []string) error {
	names := strings.Fields(c.Use)[1:]
	switch {
	case len(given) < len(names):
		return usageError{fmt.Errorf("%s is missing", names[len(given)])}
	case len(given) > len(names):
		return usageError{fmt.Errorf("there is no place for %q", given[len(names)])}
	default:
		return nil
	}
}

func unknownCommand(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{errors.New("COMMAND is missing")}
	}
	c.SuggestionsMinimumDistance = 2 // as cobra has it where it refuses by itself
	hint := ""
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return usageError{fmt.Errorf("there is no command %q%s", args[0], hint)}
}
