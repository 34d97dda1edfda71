// Package jsonvalue works on free-form JSON values: what a JSON text of unknown
// shape is read as. Such a value is nil, a bool, a string, a [json.Number], an
// []any or a map[string]any, and arrays and objects hold only such values. Numbers
// keep their digits: [DecimalOf] compares them exactly. The package also splits the
// text of an array into its items and shortens texts for errors and logs.
//
// Sizes and the text of numbers follow JavaScript, because the limits that users
// write were first applied by a JavaScript program.
//
// No function changes a value it is given. All may be called concurrently.
package jsonvalue
