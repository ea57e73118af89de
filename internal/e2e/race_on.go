//go:build race

package e2e

// raceDetector is whether the programs are built with the race detector, as the tests are.
const raceDetector = true
