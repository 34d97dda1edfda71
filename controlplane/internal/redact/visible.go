package redact

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// unseenRanges are the characters that a screen does not show, or that change
// how other characters are shown: controls, marks of text direction, characters
// of zero width, fillers, tags, variation selectors, and the line and paragraph
// separators.
var unseenRanges = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Co,
	unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector,
}

func ignorable(c rune) bool {
	switch {
	case c < 0x80, c >= 0xC0 && c < 0x300, c >= 0x3400 && c < 0xA000, c >= 0xAC00 && c < 0xD800: // a fast path for the most common characters
		return false
	}
	return unicode.In(c, unseenRanges...)
}

// Visible returns the text with each invisible character escaped as in
// \u{202E}. Tabs and line feeds stay, and so does a carriage return before a
// line feed; any other carriage return could overwrite the line and is escaped.
// Invalid UTF-8 becomes U+FFFD.
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
