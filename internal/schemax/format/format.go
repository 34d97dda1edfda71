// Package format checks strings against the formats of JSON Schema 2020-12, each with the
// grammar in the document that defines the format. Errors say what is wrong and never
// contain the string. The time of a check is proportional to the length of the string.
package format

import (
	"errors"
	"maps"
	"slices"
)

// Check returns what is wrong with a string, or nil.
type Check func(text string) error

var checks = map[string]Check{
	"date":                  date,
	"time":                  clock,
	"date-time":             dateTime,
	"duration":              duration,
	"period":                period,
	"email":                 func(text string) error { return mailbox(text, false) },
	"idn-email":             func(text string) error { return mailbox(text, true) },
	"hostname":              hostname,
	"idn-hostname":          internationalHostname,
	"ipv4":                  ipv4,
	"ipv6":                  ipv6,
	"uri":                   func(text string) error { return uri(text, true, false) },
	"uri-reference":         func(text string) error { return uri(text, false, false) },
	"iri":                   func(text string) error { return uri(text, true, true) },
	"iri-reference":         func(text string) error { return uri(text, false, true) },
	"uri-template":          uriTemplate,
	"uuid":                  uuid,
	"json-pointer":          jsonPointer,
	"relative-json-pointer": relativeJSONPointer,
}

// Named returns the check of a format, or nil if there is no format with that name.
func Named(name string) Check { return checks[name] }

// Names returns the names of all formats, sorted.
func Names() []string { return slices.Sorted(maps.Keys(checks)) }

var (
	errDigits = errors.New("has another character where a digit is required")
	errLength = errors.New("is too long or too short")
)

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isLetter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

func isHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' }

// leadingDigits returns the number of digits at the beginning of a string.
func leadingDigits(text string) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}
