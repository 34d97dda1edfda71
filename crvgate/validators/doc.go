// Package validators has ready-made validators for the gates of package crvgate.
//
// They check a change as free-form JSON, so that one validator serves changes of
// every type: [crvgate.Gate.With] adds them to a gate and converts the change once
// for all of them.
//
//	gate := crvgate.New("accounts", noOverdraft).
//		With(validators.BalancePositive(), validators.MaxSize(10_000))
//
// [Custom] is the exception: its validator passes a change of your Go type to your
// function.
//
// Except for Custom, each validator is also a type of configuration in package registry
// or rules, or a built-in validator of every registry, with the same failure code,
// confidence and metadata. docs/spec/gates.md lists them.
//
// The results are those of the first implementation, which was written in JavaScript. An
// array counts as an object, with length and its indexes as fields. Sizes are UTF-16 code
// units of the text that JSON.stringify returns. Numbers are compared exactly, including
// integers beyond 2^53. A change that has no JSON form, for example because it contains a
// channel, fails with CONFLICT.
//
// All validators are safe for concurrent use. Constructors panic if a parameter is
// invalid, so that a mistake is found when the program starts.
package validators
