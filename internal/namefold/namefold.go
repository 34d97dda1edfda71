// Package namefold compares names for rules that forbid something, for example
// that a requester decides their own approval, or that one person counts as two.
// Names that look the same to a reader are equal here, however they are spelled.
//
// Do not use it to grant anything: for that, names must be compared exactly.
package namefold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Same reports whether two names have the same [Fold], and so may name the same
// subject. Two empty names are the same.
func Same(a, b string) bool { return a == b || Fold(a) == Fold(b) }

// Fold returns a form that is the same for all spellings of a name. It is Unicode's
// toNFKC_Casefold: full case folding (ß becomes ss), compatibility normalization (a
// composed é equals a decomposed one, ﬁ becomes fi, a full width letter becomes the
// ordinary one), and removal of default ignorable code points such as the zero
// width space. Other control and format characters, which are also invisible, are
// removed too. White space at the ends is removed, and any white space inside
// becomes one space. Bytes that are not UTF-8 become U+FFFD.
//
// Letters of different scripts that look alike, such as the Latin a and the
// Cyrillic а, stay different.
//
// Fold is idempotent and safe for concurrent use. Use the result for comparisons
// only and do not store it: a later version of Unicode may fold a name differently.
func Fold(name string) string {
	if isFolded(name) {
		return name
	}
	folder := cases.Fold()
	// One pass is enough for nearly all names. But folding a letter may give a letter
	// whose normal form folds again, and removing a character may let its neighbours
	// compose. Repeating the steps leads to a stable form.
	for range maxPasses {
		next := strings.Map(lowerCase, folder.String(norm.NFKD.String(removeInvisible(name))))
		next = norm.NFKC.String(next)
		next = strings.Join(strings.Fields(next), " ")
		if next == name {
			break
		}
		name = next
	}
	return name
}

// isFolded reports whether the name is ASCII without capital letters, spaces and control
// characters, which folding does not change.
func isFolded(name string) bool {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return true
}

// maxPasses is more than enough: a test shows that three passes suffice for every
// code point.
const maxPasses = 8

// lowerCase returns the first lower case letter among those that differ from r only
// in case. [cases.Fold] folds to several letters where needed and maps most capital
// letters to lower case, but it swaps the two cases of Cherokee.
func lowerCase(r rune) rune {
	if r <= unicode.MaxASCII {
		return r
	}
	small := rune(unicode.MaxRune)
	for other := r; ; {
		if unicode.IsLower(other) {
			small = min(small, other)
		}
		if other = unicode.SimpleFold(other); other == r {
			break
		}
	}
	if small == unicode.MaxRune {
		return r
	}
	return small
}

// removeInvisible removes invisible characters and replaces white space by a space.
func removeInvisible(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u2800': // the blank Braille pattern looks like a space
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return -1
		}
		return r
	}, name)
}
