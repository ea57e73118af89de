// Package failpoint lets tests break the program at each step of its work: before and after every transaction, every request to IT
// Glue and every enqueuing of a job.
//
// It does something only in a program that is built with the tag failpoints; otherwise all of it is empty and compiled away. Steps are
// counted within a marked context only, so that what else goes on in the process does not change their numbers.
package failpoint

// What is marked.
const (
	Start = "start" // a person's request that begins a sync
	Run   = "run"   // a sync
	Night = "night" // the beginning of a daily sync
	Sweep = "sweep" // a look for work that waits
)

// When a step is hit.
const (
	Before = "before"
	After  = "after" // done, and nobody knows yet
)
