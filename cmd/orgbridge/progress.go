package main

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress draws on stderr how far long work has come, if that is a terminal and no program asked for JSON. Report takes how much of all
// is done, and end removes what was drawn.
func (in invocation) progress(what string) (report func(done, total int), end func()) {
	if in.json || !isTerminal(in.stderr) {
		return func(int, int) {}, func() {}
	}
	bar := progressbar.NewOptions(1,
		progressbar.OptionSetWriter(in.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionThrottle(50*time.Millisecond),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionClearOnFinish(),
	)
	report = func(done, total int) {
		bar.ChangeMax(total)
		_ = bar.Set(done) // a terminal that is gone stops no work
	}
	return report, func() { _ = bar.Clear() }
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
