//go:build failpoints

package main

import (
	"os"
	"strconv"
	"time"

	"github.com/orgbridge/orgbridge/internal/config"
	"github.com/orgbridge/orgbridge/internal/failpoint"
	"github.com/orgbridge/orgbridge/internal/jobs"
	"github.com/orgbridge/orgbridge/internal/orgsync"
)

// tune reads what the tests of faults set: the file of a plan of faults, how long a sync may take, and how many run at the same time.
func tune(runs *orgsync.RunnerConfig, work *jobs.Config) (err error) {
	if file := os.Getenv(config.Prefix + "FAILPOINTS"); file != "" {
		if err := failpoint.Load(file); err != nil {
			return err
		}
	}
	if text := os.Getenv(config.Prefix + "FAILPOINTS_DEADLINE"); text != "" {
		if runs.Deadline, err = time.ParseDuration(text); err != nil {
			return err
		}
	}
	if text := os.Getenv(config.Prefix + "FAILPOINTS_WORKERS"); text != "" {
		work.MaxWorkers, err = strconv.Atoi(text)
	}
	return err
}
