package main

import (
	"context"
	"errors"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = ""

func (p program) version() *cobra.Command {
	return printsData(p.command(&cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  orgbridge version\n  orgbridge version --json",
	}, printVersion), "version, go, os and arch")
}

func printVersion(_ context.Context, in invocation) error {
	return errors.Join(
		in.say("orgbridge %s %s %s/%s\n", versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH),
		in.answer(struct {
			Version string `json:"version"`
			Go      string `json:"go"`
			OS      string `json:"os"`
			Arch    string `json:"arch"`
		}{versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH}),
	)
}

// versionName falls back to what Go knows of a build that was given no version.
func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
