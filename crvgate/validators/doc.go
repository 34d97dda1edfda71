// Package validators has ready-made validators for the gates of package crvgate.
//
// They check a change as free-form JSON, so that one validator serves changes of
// every type: [crvgate.Gate.With] adds them to a gate and converts the change once
// for all of them.
//
//	gate := crvgate.New("accounts", noOverdraft).
//		With(validators.BalancePositive(), validators.MaxSize(10_000))
//
// [Custom] is the exception: it makes a validator of a function for any type.
//
// Except for Custom, each validator is also a type of configuration in package registry
// or rules, or built into every registry, with the same failure code, confidence and
// metadata. docs/spec/gates.md lists them.
//
// The results are those of the JavaScript program that first had these validators. An
// array counts as an object, with length and its indexes as fields. Sizes are UTF-16 code
// units of the text that JavaScript would write. Numbers compare exactly, also integers
// beyond 2^53. A change that has no JSON form, such as one with a channel in it, fails
// with CONFLICT.
//
// All validators are safe for concurrent use. Constructors panic if a parameter is
// invalid, so that a mistake shows when the program starts.
package validators
