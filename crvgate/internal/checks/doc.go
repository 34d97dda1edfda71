// Package checks implements the ready-made validators. Each file has related
// validators: the functions that judge free-form JSON, and the functions that read
// their parameters from a configuration. Package validators is the public interface,
// with documentation and Go types for the parameters. Package registry creates the
// validators from configurations through [Types].
//
// To add a type of validator, add a file here and a line in Types.
package checks
