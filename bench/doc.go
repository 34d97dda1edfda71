// Package bench holds the benchmarks that compare this project with other libraries
// in the same run, so that the ratios are meaningful on any machine:
//
//	go test -bench . -benchmem
//
// It is a separate module, so that users of this project do not download the other
// libraries. It has no code but tests.
package bench
