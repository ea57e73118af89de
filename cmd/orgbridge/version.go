package main

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build: -ldflags "-X main.version=…".
var version = ""

func versionCommand() command {
	return command{
		name:    "version",
		summary: "Print the version",
		prepare: func(*flag.FlagSet) action {
			return func(_ context.Context, in invocation) error {
				_, err := fmt.Fprintf(in.stdout, "orgbridge %s %s %s/%s\n", versionName(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			}
		},
	}
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
