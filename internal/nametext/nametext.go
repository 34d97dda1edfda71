// Package nametext says what the names of principals, actions, tools and the like
// may be made of: what a person who reads one can see. Two names that look the
// same to an approver are then, but for letters of different scripts that look
// alike, the same name.
package nametext

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// MaxBytes bounds the length of a name, in bytes.
const MaxBytes = 1024

// Identifier says what is wrong with a name that authority is compared on or that
// is looked up, and is empty for a good one: at most [MaxBytes] of UTF-8, made of
// characters that can be seen and of plain spaces, without a space at either end.
// Whether it may be empty is for the caller to say. It does not allocate for a
// good name.
func Identifier(name string) (problem string) {
	if Plain(name, "") && Trimmed(name) {
		return ""
	}
	return badIdentifier(name)
}

// Label says what is wrong with a name that is only shown, as Identifier does. It
// may also begin and end with a space, and hold any kind of space, characters for
// private use and those that Unicode has not assigned yet.
func Label(name string) (problem string) {
	if Plain(name, "") {
		return ""
	}
	return badText(name, hidden)
}

func badIdentifier(name string) string {
	if problem := badText(name, Unseen); problem != "" {
		return problem
	}
	if strings.TrimSpace(name) != name {
		return "must not begin or end with a space"
	}
	return ""
}

func badText(name string, bad func(rune) bool) string {
	if len(name) > MaxBytes {
		return "must not be longer than " + strconv.Itoa(MaxBytes) + " bytes"
	}
	if !utf8.ValidString(name) {
		return "must be valid UTF-8"
	}
	for i, r := range name {
		if bad(r) {
			return fmt.Sprintf("must be made of visible characters and plain spaces: leave out the character %U at byte %d", r, i)
		}
	}
	return ""
}

// Unseen reports whether a name with the character may look like one without it,
// or like one with a plain space in its place: control and format characters, the
// marks that change the direction of text among them, separators, variation
// selectors, spaces other than the plain one, and what has no shape of its own.
func Unseen(r rune) bool {
	return !unicode.IsPrint(r) || r == '\u2800' || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// hidden is Unseen for a label: control and format characters, separators of
// lines and paragraphs, what renders as nothing, and noncharacters.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Noncharacter_Code_Point)
}

// Shown is the name for a log or a record: as it is if it is a good identifier,
// and otherwise at most 256 bytes of it in quotes, with what cannot be seen
// escaped.
func Shown(name string) string {
	if Identifier(name) == "" {
		return name
	}
	const most = 256
	return jsonvalue.Clip(strconv.QuoteToASCII(name[:min(len(name), most)]), most)
}

// Plain reports whether every byte of both names is a printable character of ASCII,
// and neither has more than [MaxBytes]: such names are good labels. It looks at
// eight bytes at once, and at two names in one call, since every decision asks it
// for a few dozen names.
func Plain(a, b string) bool {
	if len(a) > MaxBytes || len(b) > MaxBytes {
		return false
	}
	var bad uint64
	switch n := len(a); {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			bad |= outside(word(a[i : i+8]))
		}
		bad |= outside(word(a[n-8:]))
	case n >= 4:
		bad |= outside(half(a) | half(a[n-4:])<<32)
	case n > 0:
		bad |= outside(padding | uint64(a[0]) | uint64(a[n/2])<<8 | uint64(a[n-1])<<16)
	}
	switch n := len(b); {
	case n >= 8:
		for i := 0; i < n-8; i += 8 {
			bad |= outside(word(b[i : i+8]))
		}
		bad |= outside(word(b[n-8:]))
	case n >= 4:
		bad |= outside(half(b) | half(b[n-4:])<<32)
	case n > 0:
		bad |= outside(padding | uint64(b[0]) | uint64(b[n/2])<<8 | uint64(b[n-1])<<16)
	}
	return bad&tops == 0
}

// Trimmed reports whether a plain name neither begins nor ends with a space. Plain
// and trimmed names are good identifiers.
func Trimmed(plain string) bool {
	return plain == "" || plain[0] != ' ' && plain[len(plain)-1] != ' '
}

const (
	ones, tops = 0x0101010101010101, 0x8080808080808080
	padding    = ones * ' ' &^ 0xffffff // five spaces for the bytes that a name of three does not have
)

// outside has the highest bit of at least one byte set if one of the eight is below
// a space, DEL or not ASCII, and of none if there is no such byte: only such a byte
// borrows from the next one, or carries into it.
func outside(w uint64) uint64 {
	return w | (w - ones*' ') | (w + ones)
}

func word(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func half(s string) uint64 {
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24
}
