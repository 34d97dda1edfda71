// Package syntax reads the text of a policy bundle, in YAML or JSON, into a typed
// [Document]. Each part of a document knows its line and column. The package checks the
// form of a bundle: keys, words, types, names, durations, patterns, references and sizes.
// It neither compiles conditions nor decides; package policy does.
package syntax
