package redact

import (
	"slices"
	"strings"
)

// search hides the secrets in a text of no known form: what has the shape of a
// secret, and what stands beside a secret's name.
func (r *redactor) search(p *place, text string) string {
	var out strings.Builder
	done := 0 // how much of the text is written
	for i := 0; i < len(text); {
		from, to, next := secretAt(text, i)
		if from < max(done, i) { // it was hidden already
			from, to = i, i
		}
		if from < to {
			out.WriteString(text[done:from])
			out.WriteString(r.hide(p, text[from:to]))
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

// secretAt is where a secret stands that shows at i, and where to look next.
// from and to are equal where there is none. It looks ahead by a constant, or
// over text in which nothing else begins, or over the secret itself.
func secretAt(text string, i int) (from, to, next int) {
	if i == 0 || !isWord(text[i-1]) {
		if from, to, next := shapeAt(text, i); from < to || next > i {
			return from, to, next
		}
	}
	switch text[i] {
	case '=', ':':
		if from, to := passwordInURL(text, i); from < to {
			return from, to, to
		}
		if from, to := assigned(text, i); from < to {
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

// The bounds, in bytes, of a name beside a value, of the space between them, and
// of the attributes of an element.
const (
	maxName       = 128
	maxSpace      = 8
	maxAttributes = 1024
)

func isName(c byte) bool { return isWord(c) || strings.IndexByte("-.[]$", c) >= 0 }

// assigned is the value of name=value, name: value, name := value, name => value
// and the same with quotes, where i is the first separator.
func assigned(text string, i int) (from, to int) {
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
	k := ofName(text[start:end])
	if k == plain {
		return i, i
	}
	at := i
	for at < len(text) && at-i < maxSpace && strings.IndexByte("=:> \t", text[at]) >= 0 {
		at++
	}
	line := text[i] == ':' && !quoted && beginsLine(text, start)
	text = window(text, at, k)
	from, to = valueAt(text, at, line)
	if to+1 < len(text) && text[to] == ' ' && isScheme(text[from:to]) { // Authorization: Bearer …
		from, to = valueAt(text, to+1, false)
	}
	return from, secretEnd(text, from, to, k)
}

func isScheme(word string) bool {
	return slices.ContainsFunc(schemes[:], func(scheme string) bool { return strings.EqualFold(word, scheme) })
}

// window is how much of the text may be looked at for a value that begins at i
// and may turn out to be none: what is looked at in vain must be short.
func window(text string, i int, k kind) string {
	if k == soft {
		return text[:min(len(text), i+maxSoft+16)]
	}
	return text
}

// secretEnd is to if the value is a secret for a name of that kind, and from
// otherwise.
func secretEnd(text string, from, to int, k kind) int {
	switch value := text[from:to]; value {
	case "", "true", "false", "null", "nil", "None", "none", "undefined":
		return from
	default:
		if digits(strings.Trim(value, ".-")) && !secretNumber(value, k) {
			return from
		}
		if !secretText(value, k) {
			return from
		}
	}
	return to
}

// beginsLine reports whether nothing but space, a dash of a list or a mark of a
// comparison stands before start in its line.
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

// valueAt is a value that begins at i: what stands in quotes, the rest of the
// line, or what stands until a separator.
func valueAt(text string, i int, line bool) (from, to int) {
	if i >= len(text) {
		return len(text), len(text)
	}
	if text[i] == '\\' && i+1 < len(text) && text[i+1] == '"' { // in a JSON text inside of another
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

// optionValue is the value of --name value; that of --name=value is found at
// the equals sign.
func optionValue(text string, i int) (from, to int) {
	end := i
	for end < len(text) && end-i < maxName && isName(text[end]) {
		end++
	}
	if end == len(text) || text[end] != ' ' {
		return i, i
	}
	k := ofName(text[i:end])
	if k == plain || end+1 == len(text) || text[end+1] == '-' {
		return i, i
	}
	text = window(text, end+1, k)
	from, to = valueAt(text, end+1, false)
	return from, secretEnd(text, from, to, k)
}

// elementText is the text of <name attributes>text<, where i follows the <.
func elementText(text string, i int) (from, to int) {
	end := i
	for end < len(text) && end-i < maxName && (isName(text[end]) || text[end] == ':') {
		end++
	}
	name := text[i:end]
	if colon := strings.LastIndexByte(name, ':'); colon >= 0 {
		name = name[colon+1:]
	}
	k := ofName(name)
	if k == plain {
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

// passwordInURL is the password of scheme://user:password@host, where i is the
// colon behind the scheme.
func passwordInURL(text string, i int) (from, to int) {
	rest, ok := strings.CutPrefix(text[i:], "://")
	if !ok || i == 0 || !isWord(text[i-1]) {
		return i, i
	}
	if end := strings.IndexAny(rest, "/?# \t\r\n\"'<>`"); end >= 0 {
		rest = rest[:end]
	}
	at := strings.LastIndexByte(rest, '@')
	if at < 0 {
		return i, i
	}
	colon := strings.IndexByte(rest[:at], ':')
	if colon < 0 || colon+1 == at {
		return i, i
	}
	return i + 3 + colon + 1, i + 3 + at
}
