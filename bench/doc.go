// Package bench holds the benchmarks that put a peer beside this project in the
// same run, so that their ratio holds on any machine:
//
//	go test -bench . -benchmem
//
// It is a module of its own, so that nobody who imports the project downloads the
// peers. It has no code but its tests.
package bench
