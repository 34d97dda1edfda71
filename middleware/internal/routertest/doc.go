// Package routertest has the tests that every adapter for a router passes: over listeners, a
// guard in front of the router's handlers refuses, records and leaves HTTP as it is.
package routertest
