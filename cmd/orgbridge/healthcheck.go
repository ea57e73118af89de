package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/orgbridge/orgbridge/internal/config"
)

// healthcheckTimeout is below the limits that container runtimes set by default.
const healthcheckTimeout = 2 * time.Second

func (p program) healthcheck() *cobra.Command {
	return p.command(&cobra.Command{
		Use:     "healthcheck",
		Short:   "Ask a running server whether it is ready; exit code 0 says yes",
		Long:    "Meant for containers without a shell. The address is that of the server; 0.0.0.0 is asked for on this machine.",
		Example: "  orgbridge healthcheck\n  orgbridge healthcheck --addr 127.0.0.1:9000",
	}, healthcheck, config.Addr)
}

func healthcheck(ctx context.Context, in invocation) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTimeout)
	defer cancel()
	url := "http://" + reachable(in.config.Addr) + "/readyz"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	// Its own transport, so that no proxy of the environment comes in between.
	answer, err := (&http.Transport{}).RoundTrip(request)
	if err != nil {
		return fmt.Errorf("%s does not answer: %w", url, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	_, err = io.WriteString(in.stdout, "ready\n")
	return err
}

// reachable turns a listen address into one that this machine can connect to.
func reachable(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	switch host {
	case "", "0.0.0.0":
		host = "127.0.0.1"
	case "::":
		host = "::1"
	}
	return net.JoinHostPort(host, port)
}
