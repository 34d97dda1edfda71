package format

import (
	"unicode"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// isAllowed reports whether IDNA 2008 (RFC 5892) allows each character of a label at its
// position. Package idna checks joiners, text direction and Unicode normalization.
func isAllowed(label string) bool {
	runes := []rune(label)
	for i, r := range runes {
		if !isValid(r) && !isInContext(runes, i) {
			return false
		}
	}
	return true
}

// exceptions has the characters that RFC 5892 lists individually (section 2.6).
var exceptions = map[rune]bool{
	0x00DF: true, 0x03C2: true, 0x06FD: true, 0x06FE: true, 0x0F0B: true, 0x3007: true,
	0x0640: false, 0x07FA: false, 0x302E: false, 0x302F: false, 0x3031: false, 0x3032: false, 0x3033: false, 0x3034: false, 0x3035: false, 0x303B: false,
}

// isValid reports whether a character is allowed at every position (PVALID).
func isValid(r rune) bool {
	if valid, found := exceptions[r]; found {
		return valid
	}
	switch {
	case r == '-' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z':
		return true
	case r < 0x80, isDigitInContext(r):
		return false
	case r >= 0x1100 && r <= 0x11FF, r >= 0xA960 && r <= 0xA97F, r >= 0xD7B0 && r <= 0xD7FF: // Jamo of Hangul
		return false
	case r >= 0x20D0 && r <= 0x20FF, r >= 0x1D100 && r <= 0x1D24F: // marks for symbols, and music
		return false
	case unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r), unicode.Is(unicode.Variation_Selector, r), unicode.Is(unicode.Noncharacter_Code_Point, r):
		return false
	case !unicode.In(r, unicode.Ll, unicode.Lo, unicode.Lm, unicode.Mn, unicode.Mc, unicode.Nd):
		return false
	}
	text := string(r)
	return norm.NFKC.String(cases.Fold().String(norm.NFKC.String(text))) == text
}

// isDigitInContext reports whether a character is a digit that must not be mixed with the
// digits of another script.
func isDigitInContext(r rune) bool {
	return r >= 0x0660 && r <= 0x0669 || r >= 0x06F0 && r <= 0x06F9
}

// isInContext reports whether a character is allowed at its position (CONTEXTJ and
// CONTEXTO, RFC 5892, appendix A).
func isInContext(label []rune, at int) bool {
	before, after := rune(-1), rune(-1)
	if at > 0 {
		before = label[at-1]
	}
	if at+1 < len(label) {
		after = label[at+1]
	}
	switch r := label[at]; r {
	case 0x200C, 0x200D: // the joiners: package idna
		return true
	case 0x00B7: // middle dot
		return before == 'l' && after == 'l'
	case 0x0375: // Greek keraia
		return unicode.Is(unicode.Greek, after)
	case 0x05F3, 0x05F4: // geresh and gershayim
		return unicode.Is(unicode.Hebrew, before)
	case 0x30FB: // katakana middle dot
		for _, other := range label {
			if unicode.In(other, unicode.Hiragana, unicode.Katakana, unicode.Han) {
				return true
			}
		}
		return false
	default:
		if !isDigitInContext(r) {
			return false
		}
		for _, other := range label {
			if isDigitInContext(other) && (other < 0x06F0) != (r < 0x06F0) {
				return false
			}
		}
		return true
	}
}
