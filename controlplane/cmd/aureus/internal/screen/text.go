package screen

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/width"

	"github.com/farmountain/aureus-go/controlplane/internal/redact"
)

// Line returns the text on one line. Invisible characters, which include everything that
// a terminal would interpret, line breaks and marks of the direction of writing, are
// written like \u{001B}. Bytes that are not UTF-8 become U+FFFD.
func Line(text string) string {
	text = redact.Visible(text)
	if !strings.ContainsAny(text, "\n\r\t") {
		return text
	}
	return lineBreaks.Replace(text)
}

var lineBreaks = strings.NewReplacer("\n", `\u{000A}`, "\r", `\u{000D}`, "\t", `\u{0009}`)

// Lines is Line for a text that may have line feeds and tabs.
func Lines(text string) string { return redact.Visible(text) }

// JSON returns a JSON text with the same value in which invisible characters are escaped,
// so that a terminal does not interpret them.
func JSON(text []byte) []byte {
	if string(text) == redact.Visible(string(text)) {
		return text
	}
	escaped := make([]byte, 0, len(text)+len(text)/8)
	for _, r := range string(text) {
		if r < 0x7f || redact.Visible(string(r)) == string(r) {
			escaped = utf8.AppendRune(escaped, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			escaped = fmt.Appendf(escaped, `\u%04x`, unit)
		}
	}
	return escaped
}

// Width returns how many columns of a terminal the text takes: two for East Asian wide
// characters, none for marks that are combined with the character before them.
func Width(text string) (columns int) {
	for _, r := range text {
		columns += runeWidth(r)
	}
	return columns
}

func runeWidth(r rune) int {
	switch {
	case r < 0x300:
		return 1
	case unicode.In(r, unicode.Mn, unicode.Me):
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	case width.Neutral, width.EastAsianAmbiguous, width.EastAsianNarrow, width.EastAsianHalfwidth:
	}
	if r >= 0x1F300 && r < 0x1FAFF { // pictures, which most terminals show in two columns
		return 2
	}
	return 1
}

// Wrap breaks a line into lines of at most width columns, after spaces where there are
// any. All but the first are indented like the first. A width below 1 does not wrap.
func Wrap(line string, width int) []string {
	if width < 1 || Width(line) <= width {
		return []string{line}
	}
	text := strings.TrimLeft(line, " ")
	indent := line[:min(len(line)-len(text), width/2)]
	var lines []string
	for text != "" {
		end := breakAt(text, max(2, width-len(indent)))
		lines = append(lines, indent+strings.TrimRight(text[:end], " "))
		text = strings.TrimLeft(text[end:], " ")
	}
	return lines
}

// breakAt returns the number of bytes of the text that go on a line of that many columns:
// at least one character.
func breakAt(text string, columns int) int {
	used, space := 0, 0
	for at, r := range text {
		if used += runeWidth(r); used > columns && at > 0 {
			if r == ' ' {
				return at
			}
			if space > 0 {
				return space
			}
			return at
		}
		if r == ' ' {
			space = at + 1
		}
	}
	return len(text)
}

// Cut returns the text in at most width columns; a text that is longer ends with "…". A
// width below 1 does not cut.
func Cut(text string, width int) string {
	if width < 1 || Width(text) <= width {
		return text
	}
	used := 0
	for at, r := range text {
		if used += runeWidth(r); used > width-1 {
			return text[:at] + "…"
		}
	}
	return text
}
