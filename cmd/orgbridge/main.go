// Command orgbridge keeps the organizations of managed service providers in step with IT Glue: an HTTP API, the workers behind it
// and what an operator needs around them. Run it without arguments for a list of commands.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(untilSignal())
}

// untilSignal runs the program. The first SIGTERM or SIGINT asks it to end; a second one ends it at once.
func untilSignal() int {
	ctx, end := context.WithCancel(context.Background())
	defer end()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // first, so that whoever sees the program end can end it at once
		end()
	}()
	return run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
}
