// Package checks holds the ready-made validators. Each file has one family: how it
// judges free-form JSON, and how its parameters are read from a configuration.
// Package validators gives them to Go programs, with Go types for the parameters
// and the documentation; package registry makes them of configurations through
// [Types].
//
// A new type of validator is a file here and a line in Types.
package checks
