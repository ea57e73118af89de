// Package faulttest brings faults about and decides whether they were survived: the answer was the documented one, and the data ended as
// if the fault had not happened, with nothing lost that was acknowledged.
//
// A [Proxy] stands between the program and what it talks to, and misbehaves when told to. A [Ledger] keeps, outside of the program,
// what was asked for and what the answer was; afterwards it compares that with what is there. [Invariants] are queries for what must
// never be in a database; a [Watch] asks them all through a fault. The proofs themselves are tests named TestF and the number of the
// fault, here or in the package nearest to the fault.
package faulttest

import (
	"fmt"
	"os"
	"testing"
)

// Long tells whether the full figures are asked for, which take minutes, instead of a few rounds of everything.
func Long() bool { return os.Getenv("ORGBRIDGE_TEST_FAULTS") == "long" }

// Rounds is how often something is done: few times in the tests of every day, often when the full figures are asked for.
func Rounds(few, full int) int {
	if Long() {
		return full
	}
	return few
}

// Figuref logs what a test measured, for the table of figures.
func Figuref(tb testing.TB, name, format string, args ...any) {
	tb.Helper()
	tb.Logf("figure: %s: %s", name, fmt.Sprintf(format, args...))
}
