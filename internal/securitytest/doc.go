// Package securitytest attacks the real program: with requests that are not HTTP as it has to be, with clients that are slow on purpose,
// and with requests made at random out of the OpenAPI document that the program serves. The proofs are tests named TestAPI and the number
// of the item of the OWASP API Security Top 10 (2023), here or in the package nearest to the rule.
package securitytest

import "os"

// Long tells whether the full figures are asked for, which take minutes, instead of a few rounds of everything.
func Long() bool { return os.Getenv("ORGBRIDGE_TEST_SECURITY") == "long" }

// Rounds is how often something is done: few times in the tests of every day, often when the full figures are asked for.
func Rounds(few, full int) int {
	if Long() {
		return full
	}
	return few
}
