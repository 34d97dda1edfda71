// Package namefold compares names where a comparison keeps somebody from doing
// something: a requester from deciding, one person from counting as two. Names
// that a reader takes for the same are equal here, however they are spelled.
//
// It never serves to grant anything. What a name grants, it grants to the letter.
package namefold

import (
	"strings"
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Same reports whether two names may stand for the same subject: whether they
// have the same [Fold]. Two empty names are the same.
func Same(a, b string) bool { return a == b || Fold(a) == Fold(b) }

// Fold is what all spellings of a name have in common. It is Unicode's
// toNFKC_Casefold: full case folding, so that ß is ss; compatibility
// normalization, so that a composed é is the decomposed one, ﬁ is fi and a full
// width letter is the ordinary one; and no default ignorable code points, so that
// a zero width space counts for nothing. Other control and format characters, which
// cannot be seen either, are left out too. Space around the name is left out, and
// any white space within it counts as one plain space. Bytes that are no UTF-8
// count as U+FFFD.
//
// Letters of different scripts that look alike, such as the Latin a and the
// Cyrillic а, stay different.
//
// Fold is idempotent and safe for concurrent use. What it returns is for
// comparing only: a later version of Unicode may fold a name differently, so it
// is not kept.
func Fold(name string) string {
	folder := cases.Fold()
	// One pass is enough for nearly all names. Folding a letter may yield one whose
	// normal form folds again, and leaving a character out may let its neighbours
	// compose; each pass only moves towards the stable form.
	for range maxPasses {
		next := strings.Map(simple, folder.String(norm.NFKD.String(withoutUnseen(name))))
		next = norm.NFKC.String(next)
		next = strings.Join(strings.Fields(next), " ")
		if next == name {
			break
		}
		name = next
	}
	return name
}

// maxPasses is beyond what any code point needs, which is three; a test folds
// them all.
const maxPasses = 8

// simple is one letter for all that differ only in case: the first small one of
// them. [cases.Fold] has the foldings to several letters, and takes most capital
// letters to their small ones; those of Cherokee it exchanges with each other.
func simple(r rune) rune {
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

func withoutUnseen(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), r == '\u2800': // the blank pattern of Braille looks like a space
			return ' '
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
			return -1
		}
		return r
	}, name)
}
