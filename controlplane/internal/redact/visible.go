package redact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unseen are the characters that a screen does not show or that change how
// others are shown: controls, the marks and overrides of writing direction,
// what joins or has no width, fillers, tags, variation selectors and the line
// separators that are no line breaks.
var unseen = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co,
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
}

func ignorable(c rune) bool {
	switch {
	case c < 0x80, c >= 0xC0 && c < 0x300, c >= 0x3400 && c < 0xA000, c >= 0xAC00 && c < 0xD800: // most of what is written
		return false
	}
	return unicode.In(c, unseen...)
}

// Visible is the text with each character that is not seen written as \u{202E},
// with its number. Tabs and line breaks stay, except a carriage return that no
// line feed follows, which would write over the line. Invalid UTF-8 becomes
// U+FFFD.
func Visible(text string) string {
	plainText := true
	for i := range len(text) {
		if c := text[i]; c >= utf8.RuneSelf || c == 0x7f || (c < ' ' && c != '\n' && c != '\t') {
			plainText = false
			break
		}
	}
	if plainText {
		return text
	}
	var out strings.Builder
	for i, c := range text {
		switch {
		case c == '\n', c == '\t', c == '\r' && strings.HasPrefix(text[i+1:], "\n"):
			out.WriteRune(c)
		case c < ' ', c == 0x7f, ignorable(c):
			fmt.Fprintf(&out, `\u{%04X}`, c)
		default:
			out.WriteRune(c)
		}
	}
	return out.String()
}
