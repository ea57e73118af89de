// Package itglue is a client of the public IT Glue REST API
// (https://api.itglue.com/developer), made for programs that keep a copy of
// an account's organizations: it lists organizations page by page, reads one
// or many by id, lists an organization's domains and checks an API key.
//
// The client treats IT Glue as a server that may fail in any way. Bodies are
// capped after decompression, every request has a deadline, redirects are
// never followed, no address from an answer is ever used, and the API key is
// kept out of every error text. What went wrong is told by the Kind of the
// returned *Error.
//
// IT Glue limits an API key to 3,000 requests per 5 minutes; share one
// Limiter between all clients of a key to stay below that.
package itglue
