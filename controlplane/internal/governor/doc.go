// Package governor bounds what callers may hold at once, so that no one starves
// another: bytes in memory, requests, streams, workflow runs and processing time.
//
// A [Pool] is a counted resource. Each holder has a key and a tenant, and each
// of the three levels (all, one tenant, one key) has a limit of its own, so that
// one key cannot take what its tenant has, nor one tenant what all have. A part
// of every level is only for urgent use: decisions and operators.
//
// An [Account] is what one request holds of all pools. Closing it gives
// everything back. A request that cannot get more fails at once, or after a
// bounded wait, whatever it holds already: nothing here can deadlock.
package governor
