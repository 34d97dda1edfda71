// Package nametext checks the characters in names of principals, actions, tools
// and so on. Only visible characters are allowed, so that two names that look the
// same to an approver are the same, except for similar letters of different
// scripts.
package nametext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// MaxBytes is the maximum length of a name, in bytes.
const MaxBytes = 1024

// Identifier checks a name that is looked up or that decides about permissions. It
// returns what is wrong with the name, or "". A valid identifier is UTF-8 of at
// most [MaxBytes] bytes, consists of visible characters and plain spaces, and has
// no space at either end. The empty name is valid here; callers check for it. A
// valid name causes no allocation.
func Identifier(name string) (problem string) {
	if Plain(name, "") && Trimmed(name) {
		return ""
	}
	return identifierProblem(name)
}

// Label checks a name that is only displayed. It returns what is wrong with the
// name, or "". Unlike an identifier, a label may begin and end with a space, and
// may contain any kind of space, private use characters and unassigned characters.
func Label(name string) (problem string) {
	if Plain(name, "") {
		return ""
	}
	return textProblem(name, hidden)
}

func identifierProblem(name string) string {
	if problem := textProblem(name, Unseen); problem != "" {
		return problem
	}
	if strings.TrimSpace(name) != name {
		return "must not begin or end with a space"
	}
	return ""
}

func textProblem(name string, bad func(rune) bool) string {
	if len(name) > MaxBytes {
		return "must not be longer than " + strconv.Itoa(MaxBytes) + " bytes"
	}
	if !utf8.ValidString(name) {
		return "must be valid UTF-8"
	}
	for i, r := range name {
		if bad(r) {
			return fmt.Sprintf("must contain only visible characters and plain spaces: remove the character %U at byte %d", r, i)
		}
	}
	return ""
}

// Unseen reports whether the character is invisible or looks like a plain space,
// so that a name with it may look like another name: control and format characters
// (including marks of text direction), separators, variation selectors, spaces
// other than the plain one, and unassigned and private use characters.
func Unseen(r rune) bool {
	return !unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// hidden reports whether a label must not contain the character: control and format
// characters, line and paragraph separators, ignorable characters and
// noncharacters.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// Shown returns the name for a log or a record: a valid identifier unchanged, and
// any other name quoted, escaped, and cut to about 256 bytes.
func Shown(name string) string {
	if Identifier(name) == "" {
		return name
	}
	const limit = 256
	return jsonvalue.Clip(strconv.QuoteToASCII(name[:min(len(name), limit)]), limit)
}

// Plain reports whether both names consist of printable ASCII characters and have
// at most [MaxBytes] bytes. Such names are valid labels. For speed it checks eight
// bytes at once and two names in one call: a decision checks dozens of names.
func Plain(a, b string) bool {
	if len(a) > MaxBytes || len(b) > MaxBytes {
		return false
	}
	var bad uint64
	switch n := len(a); {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			bad |= outside(loadWord(a[i : i+8]))
		}
		bad |= outside(loadWord(a[n-8:]))
	case n >= 4:
		bad |= outside(loadHalf(a) | loadHalf(a[n-4:])<<32)
	case n > 0:
		bad |= outside(padding | uint64(a[0]) | uint64(a[n/2])<<8 | uint64(a[n-1])<<16)
	}
	switch n := len(b); {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			bad |= outside(loadWord(b[i : i+8]))
		}
		bad |= outside(loadWord(b[n-8:]))
	case n >= 4:
		bad |= outside(loadHalf(b) | loadHalf(b[n-4:])<<32)
	case n > 0:
		bad |= outside(padding | uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16)
	}
	return bad&tops == 0
}

// Trimmed reports whether a plain name neither begins nor ends with a space. A name
// that is plain and trimmed is a valid identifier.
func Trimmed(plain string) bool {
	return plain == "" || plain[0] != ' ' && plain[len(plain)-1] != ' '
}

const (
	ones, tops = 0x0101010101010101, 0x8080808080808080
	padding    = ones * ' ' &^ 0xffffff // five spaces, for the bytes that a name of at most three bytes lacks
)

// outside sets the highest bit of at least one byte if any of the eight bytes is
// not a printable ASCII character, and of no byte otherwise. Borrows and carries
// between bytes come only from bytes that are not printable.
func outside(w uint64) uint64 {
	return w | (w - ones*' ') | (w + ones)
}

func loadWord(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func loadHalf(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
