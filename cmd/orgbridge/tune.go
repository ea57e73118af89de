//go:build !failpoints

package main

import (
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// tune leaves everything as it is. Only a program that is built for the tests of faults is tuned.
func tune(*orgsync.RunnerConfig, *jobs.Config) error { return nil }
