// Package jsonvalue has functions for free-form JSON values: the Go values for a JSON
// text of unknown form. Such a value is nil, a bool, a string, a [json.Number], an
// []any or a map[string]any, and arrays and objects contain only such values. Numbers
// keep their digits, and [DecimalOf] compares them exactly. The package also splits
// the text of an array into its items and shortens texts for errors and logs.
//
// Sizes and the text of numbers are those of JavaScript: limits in configurations were
// first defined by an implementation in JavaScript, and keep their meaning.
//
// No function modifies its arguments. All functions may be called concurrently.
package jsonvalue
