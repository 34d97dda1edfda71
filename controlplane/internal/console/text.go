package console

import (
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// The limits of a text on one page. A longer text has several pages.
const (
	maxTextLines = 2000
	maxTextBytes = 256 << 10
	maxLineBytes = 4 << 10 // of one line; what is beyond it is counted
)

// textLine is a line of a text. Cut is how many bytes of it are not shown.
type textLine struct {
	Number int
	Text   string
	Cut    int
}

// textPart is the part of a text that a page shows: the one with the line that was asked
// for. The parts of a text always begin at the same lines.
type textPart struct {
	Lines []textLine
	Pager pager
}

// partOf returns the part of the text with the line, counted from 1. A line beyond the
// end stands for the last one.
func partOf(text []byte, line int64) (part textPart) {
	number, size, previous := 0, 0, 0
	var lines []textLine
	found := false
	part.Pager = pager{BeforeName: "Lines before", NextName: "Lines after"}
	for rest := text; len(rest) > 0 || number == 0; {
		var one []byte
		one, rest, _ = bytes.Cut(rest, []byte("\n"))
		number++
		if len(lines) == maxTextLines || size >= maxTextBytes {
			if found {
				part.Pager.After = textLink(number)
				break
			}
			previous, lines, size = lines[0].Number, lines[:0], 0
		}
		shown := cutLine(number, string(bytes.TrimSuffix(one, []byte("\r"))))
		lines, size = append(lines, shown), size+len(shown.Text)
		found = found || int64(number) >= line
	}
	part.Lines = lines
	if previous > 0 {
		part.Pager.Before = textLink(previous)
	}
	if part.Pager.Before != "" || part.Pager.After != "" {
		part.Pager.Shown = fmt.Sprintf("lines %d to %d", lines[0].Number, lines[len(lines)-1].Number)
	}
	return part
}

func textLink(line int) string { return "?line=" + strconv.Itoa(line) + "#text" }

// cutLine returns the line with at most maxLineBytes of its text, which end with a whole
// character.
func cutLine(number int, text string) textLine {
	if len(text) <= maxLineBytes {
		return textLine{Number: number, Text: text}
	}
	shown := strings.ToValidUTF8(text[:maxLineBytes], "")
	return textLine{Number: number, Text: shown, Cut: len(text) - len(shown)}
}

// Ref returns the link to a line, which is in this part or in another one.
func (p textPart) Ref(line int) string {
	anchor := "#L" + strconv.Itoa(line)
	if n := len(p.Lines); n > 0 && line >= p.Lines[0].Number && line <= p.Lines[n-1].Number {
		return anchor
	}
	return "?line=" + strconv.Itoa(line) + anchor
}

// queryText returns a value of the query without the spaces around it.
func queryText(r *http.Request, name string) string {
	return strings.TrimSpace(r.URL.Query().Get(name))
}

// numberIn reads a number that is not negative from the query; 0 if it is absent.
func numberIn(r *http.Request, name string) (int64, error) {
	text := queryText(r, name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return 0, web.BadQuery(name, "must be a number that is not negative")
	}
	return n, nil
}
