package redact

import (
	"slices"
	"strings"
)

// search redacts a text of unknown format: tokens that are recognized by their
// form, and values next to the name of a secret.
func (r *redactor) search(p *location, text string) string {
	var out strings.Builder
	done := 0 // how much of the text has been written
	for i := 0; i < len(text); {
		from, to, next := secretAt(text, i)
		if from < max(done, i) { // it is hidden already
			from, to = i, i
		}
		if from < to {
			out.WriteString(text[done:from])
			out.WriteString(r.hideSecret(p, text[from:to]))
			done = to
		}
		i = max(next, i+1)
	}
	if done == 0 {
		return text
	}
	out.WriteString(text[done:])
	return out.String()
}

// secretAt returns the bounds of the secret that is recognized at position i,
// and where to continue. from equals to if there is none. To keep the search
// linear, it looks ahead only by a constant, over text that cannot begin
// another secret, or over the secret itself.
func secretAt(text string, i int) (from, to, next int) {
	if i == 0 || !isWord(text[i-1]) {
		if from, to, next := tokenAt(text, i); from < to || next > i {
			return from, to, next
		}
	}
	switch text[i] {
	case '=', ':':
		if from, to := passwordInURL(text, i); from < to {
			return from, to, to
		}
		if from, to := assignedValue(text, i); from < to {
			return from, to, to
		}
	case '-':
		if (i == 0 || text[i-1] == ' ' || text[i-1] == '\t' || text[i-1] == '\n') && strings.HasPrefix(text[i:], "--") {
			if from, to := optionValue(text, i+2); from < to {
				return from, to, to
			}
		}
	case '<':
		if from, to := elementText(text, i+1); from < to {
			return from, to, to
		}
	}
	return i, i, i + 1
}

func isWord(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
}

// Limits of the search, in bytes.
const (
	maxName       = 128  // of a name next to a value
	maxSpace      = 8    // of the space between them
	maxAttributes = 1024 // of the attributes of an XML element
)

func isName(c byte) bool { return isWord(c) || strings.IndexByte("-.[]$", c) >= 0 }

// assignedValue returns the bounds of the value in name=value, name: value,
// name := value or name => value, also with quotes. i is the position of the
// first separator character.
func assignedValue(text string, i int) (from, to int) {
	end := i
	for end > 0 && i-end < maxSpace && (text[end-1] == ' ' || text[end-1] == '\t') {
		end--
	}
	quoted := false
	if end > 0 && strings.IndexByte("\"'`", text[end-1]) >= 0 {
		quoted = true
		end--
		if end > 0 && text[end-1] == '\\' {
			end--
		}
	}
	start := end
	for start > 0 && end-start < maxName && isName(text[start-1]) {
		start--
	}
	if start == end {
		return i, i
	}
	k := kindOfName(text[start:end])
	if k == notSecret {
		return i, i
	}
	value := i // the position where the value begins
	for value < len(text) && value-i < maxSpace && strings.IndexByte("=:> \t", text[value]) >= 0 {
		value++
	}
	line := text[i] == ':' && !quoted && beginsLine(text, start)
	text = window(text, value, k)
	from, to = valueAt(text, value, line)
	if to+1 < len(text) && text[to] == ' ' && isScheme(text[from:to]) { // Authorization: Bearer …
		from, to = valueAt(text, to+1, false)
	}
	return from, secretEnd(text, from, to, k)
}

func isScheme(word string) bool {
	return slices.ContainsFunc(schemes[:], func(scheme string) bool { return strings.EqualFold(word, scheme) })
}

// window returns the part of the text in which a value that begins at i is
// searched. For a kind that accepts only short values it is short, so that long
// texts are not scanned in vain.
func window(text string, i int, k kind) string {
	if k == secretCode {
		return text[:min(len(text), i+maxCode+16)]
	}
	return text
}

// secretEnd returns to if the value is a secret for a name of that kind, and
// from otherwise.
func secretEnd(text string, from, to int, k kind) int {
	switch value := text[from:to]; value {
	case "", "true", "false", "null", "nil", "None", "none", "undefined":
		return from
	default:
		if isDigits(strings.Trim(value, ".-")) && !secretNumber(value, k) {
			return from
		}
		if !secretText(value, k) {
			return from
		}
	}
	return to
}

// beginsLine reports whether only white space, list dashes or diff and comment
// marks precede start in its line.
func beginsLine(text string, start int) bool {
	for range maxSpace * 8 {
		if start == 0 || text[start-1] == '\n' {
			return true
		}
		start--
		if strings.IndexByte(" \t-+>#", text[start]) < 0 {
			return false
		}
	}
	return false
}

// valueAt returns the bounds of the value that begins at i: the content of
// quotes, the rest of the line, or the text up to a separator.
func valueAt(text string, i int, line bool) (from, to int) {
	if i >= len(text) {
		return len(text), len(text)
	}
	if text[i] == '\\' && i+1 < len(text) && text[i+1] == '"' { // escaped quotes of a JSON text inside a JSON text
		if end := strings.Index(text[i+2:], `\"`); end >= 0 {
			return i + 2, i + 2 + end
		}
		return i + 2, len(text)
	}
	switch quote := text[i]; quote {
	case '"', '\'', '`':
		for end := i + 1; end < len(text); end++ {
			switch text[end] {
			case '\\':
				end++
			case quote:
				return i + 1, end
			}
		}
		return i + 1, len(text)
	case '{', '[', '\n', '\r':
		return i, i
	}
	ends := " \t\r\n&;,|)}]>\"'`<"
	if line {
		ends = "\r\n"
	}
	if end := strings.IndexAny(text[i:], ends); end >= 0 {
		return i, i + end
	}
	return i, len(text)
}

// optionValue returns the bounds of the value in --name value. That of
// --name=value is found by assignedValue.
func optionValue(text string, i int) (from, to int) {
	end := i
	for end < len(text) && end-i < maxName && isName(text[end]) {
		end++
	}
	if end == len(text) || text[end] != ' ' {
		return i, i
	}
	k := kindOfName(text[i:end])
	if k == notSecret || end+1 == len(text) || text[end+1] == '-' {
		return i, i
	}
	text = window(text, end+1, k)
	from, to = valueAt(text, end+1, false)
	return from, secretEnd(text, from, to, k)
}

// elementText returns the bounds of the text in <name attributes>text<. i is
// the position after the <.
func elementText(text string, i int) (from, to int) {
	end := i
	for end < len(text) && end-i < maxName && (isName(text[end]) || text[end] == ':') {
		end++
	}
	name := text[i:end]
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		name = name[colon+1:]
	}
	k := kindOfName(name)
	if k == notSecret {
		return i, i
	}
	open := strings.IndexByte(text[end:min(len(text), end+maxAttributes)], '>')
	if open < 0 || (open > 0 && text[end+open-1] == '/') {
		return i, i
	}
	from = end + open + 1
	text = window(text, from, k)
	if rest, ok := strings.CutPrefix(text[from:], "<![CDATA["); ok {
		from = len(text) - len(rest)
		to = len(text)
		if n := strings.Index(rest, "]]>"); n >= 0 {
			to = from + n
		}
		return from, secretEnd(text, from, to, k)
	}
	to = len(text)
	if n := strings.IndexByte(text[from:], '<'); n >= 0 {
		to = from + n
	}
	for from < to && strings.IndexByte(" \t\r\n", text[from]) >= 0 {
		from++
	}
	return from, secretEnd(text, from, to, k)
}

// passwordInURL returns the bounds of the password in
// scheme://user:password@host. i is the position of the colon after the scheme.
func passwordInURL(text string, i int) (from, to int) {
	rest, ok := strings.CutPrefix(text[i:], "://")
	if !ok || i == 0 || !isWord(text[i-1]) {
		return i, i
	}
	if end := strings.IndexAny(rest, "/?# \t\r\n\"'<>`"); end >= 0 {
		rest = rest[:end]
	}
	end := strings.LastIndexByte(rest, '@')
	if end < 0 {
		return i, i
	}
	colon := strings.IndexByte(rest[:end], ':')
	if colon < 0 || colon+1 == end {
		return i, i
	}
	return i + 3 + colon + 1, i + 3 + end
}
