// Command itglue-sim runs a simulated IT Glue, for trying out and testing
// programs that use its API without an account. See package itgluetest for
// what it can do; requests under /_sim/ work it from outside.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "itglue-sim:", err)
		stop()
		os.Exit(1) //nolint:gocritic // stop has run
	}
}
