// Package itgluetest is a simulated IT Glue, for tests and demonstrations of
// programs that use its public REST API. It is to IT Glue what
// net/http/httptest is to a web server: a handler, or a listener on a loopback
// address, with data that the program at hand adds, renames and deletes.
//
// It follows the public documentation (https://api.itglue.com/developer) and,
// where that is silent, what users of the API have reported: a wrong key is
// 403 {"message":"Forbidden"}, unknown filters are ignored, a page holds 50
// organizations unless asked and 1,000 at most, filter[name] compares exactly
// and splits at commas, links are absolute, deletion takes its time, types and
// statuses may be null, and names are neither unique nor trimmed.
//
// What IT Glue does on a bad day is switched on with Server.Inject. Every
// request is kept in a log, see Server.Calls, which also proves what was not
// sent.
package itgluetest
