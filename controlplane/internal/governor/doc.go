// Package governor limits what callers may use at the same time, so that no caller
// starves another: memory, requests, streams, workflow runs and processing time.
//
// A [Pool] is a counted resource. It has a limit for the whole server, one for each
// tenant and one for each key, so that one key cannot use all that its tenant has,
// nor one tenant all that the server has. A part of each limit is reserved for
// urgent use: decisions and operators.
//
// An [Account] records what one request holds in the pools; closing it gives
// everything back. A request that needs more than there is fails at once or after a
// limited wait, so requests cannot deadlock.
package governor
