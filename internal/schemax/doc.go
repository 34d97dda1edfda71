// Package schemax validates free-form JSON by JSON Schema 2020-12, with limits.
//
// Schemas and data may come from an untrusted origin: the steps of a validation, the size
// of a schema, of its patterns and of all numbers are limited, nothing is loaded from a
// file or a network, and a schema that refers to itself for the same value is refused. A
// misspelt keyword and an unknown format are refused too, because they would check
// nothing. Formats are checked, by package format.
package schemax
