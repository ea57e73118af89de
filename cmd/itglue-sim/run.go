package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/orgbridge/orgbridge/pkg/itglue/itgluetest"
)

// defaultKey is a key like IT Glue's in form. It guards invented data only.
const defaultKey = "ITG.00000000000000000000000000000000"

type options struct {
	addr          string
	apiKey        string
	organizations int
	file          string
}

// run serves the simulated IT Glue until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}

	if err != nil {
		return err
	}

	server, err := newServer(opts)
	if err != nil {
		return err
	}

	var config net.ListenConfig

	listener, err := config.Listen(ctx, "tcp", opts.addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}

	fmt.Fprintf(stdout, "url: http://%s\napi key: %s\norganizations: %d\n",
		listener.Addr(), opts.apiKey, len(server.Organizations()))

	return serve(ctx, listener, server)
}

func parse(args []string, stderr io.Writer) (options, error) {
	var opts options

	flags := flag.NewFlagSet("itglue-sim", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&opts.addr, "addr", "127.0.0.1:9090", "`address` to listen on; port 0 picks a free one")
	flags.StringVar(&opts.apiKey, "api-key", defaultKey, "the valid API `key`")
	flags.IntVar(&opts.organizations, "organizations", 100, "`number` of generated organizations")
	flags.StringVar(&opts.file, "organizations-file", "",
		"JSON `file` with organizations, instead of generated ones: [{\"name\": \"...\", \"domains\": [\"...\"]}]")

	if err := flags.Parse(args); err != nil {
		return opts, err
	}

	switch {
	case flags.NArg() > 0:
		return opts, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case opts.apiKey == "":
		return opts, errors.New("--api-key must not be empty")
	case opts.organizations < 0:
		return opts, errors.New("--organizations must not be negative")
	}

	return opts, nil
}

func newServer(opts options) (*itgluetest.Server, error) {
	organizations := itgluetest.Generate(opts.organizations)

	if opts.file != "" {
		var err error
		if organizations, err = itgluetest.LoadFile(opts.file); err != nil {
			return nil, fmt.Errorf("--organizations-file: %w", err)
		}
	}

	server := itgluetest.New(itgluetest.WithKey(opts.apiKey), itgluetest.WithControl())
	server.Add(organizations...)

	return server, nil
}

// serve lets requests finish for a moment after ctx has ended.
func serve(ctx context.Context, listener net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)

	go func() { served <- server.Serve(listener) }()

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}

	shutdown, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()

	if server.Shutdown(shutdown) != nil {
		_ = server.Close() // delayed answers are not worth waiting for
	}

	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}

	return nil
}
