package redact

import (
	"maps"
	"mime"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
)

// call is the HTTP call to show.
func (r *redactor) call(p *place, call aureus.HTTPCall) *aureus.HTTPCall {
	call.Method = r.show(p.in("method"), call.Method, 0)
	call.Host = r.show(p.in("host"), call.Host, 0)
	call.Path = r.prose(p.in("path"), call.Path)
	call.Query = r.show(p.in("query"), r.form(p.in("query"), call.Query, 0), 0)
	call.ContentType = r.prose(p.in("content_type"), call.ContentType)
	call.Headers = r.headers(p.in("headers"), call.Headers)
	call.Body = aureus.Body(r.body(p.in("body"), call))
	call.ContentEncoding = r.prose(p.in("content_encoding"), call.ContentEncoding)
	return &call
}

func (r *redactor) headers(p *place, headers map[string][]string) map[string][]string {
	clean := make(map[string][]string, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at := p.in(name)
		k := ofName(name)
		shown := make([]string, len(headers[name]))
		for i, value := range headers[name] {
			if k != plain && value != "" {
				shown[i] = r.hide(at, value)
			} else {
				shown[i] = r.text(at, value, 0)
			}
		}
		title := r.show(at, name, 0)
		if title != name && (headers[title] != nil || clean[title] != nil) {
			title += " " + r.digest(name)
		}
		clean[title] = shown
	}
	return clean
}

// body is the body to show. What it is, is found out by looking at it; the
// content type only helps where that says too little.
func (r *redactor) body(p *place, call aureus.HTTPCall) string {
	body := string(call.Body)
	kind, parameters, err := mime.ParseMediaType(call.ContentType)
	switch {
	case body == "":
		return ""
	case call.ContentEncoding != "" && !strings.EqualFold(strings.TrimSpace(call.ContentEncoding), "identity"):
		return r.unreadable(p, body)
	}
	boundary := ""
	if err == nil && strings.HasPrefix(kind, "multipart/") {
		boundary = parameters["boundary"]
	}
	if boundary == "" || !strings.Contains(body, "--"+boundary) {
		boundary = boundaryIn(body)
	}
	var clean string
	switch {
	case boundary != "":
		clean = r.multipart(p, body, boundary, 0)
	case !readable(body):
		return r.unreadable(p, body)
	case err == nil && kind == "application/x-www-form-urlencoded" && !looksLikeJSON(body):
		clean = r.form(p, body, 0)
	default:
		clean = r.inside(p, body, 0)
	}
	switch {
	case !readable(clean): // outside of the parts
		return r.unreadable(p, body)
	case !utf8.ValidString(clean): // goes out as base64
		return clean
	}
	return r.show(p, clean, 0)
}

// readable reports whether a person can read the content as text, in UTF-8 or in
// another encoding that has ASCII in it.
func readable(content string) bool {
	if utf8.ValidString(content) {
		return strings.IndexByte(content, 0) < 0
	}
	for i := range len(content) {
		if c := content[i]; c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return false
		}
	}
	return true
}

// looksLikeForm reports whether the text may be a form or a query.
func looksLikeForm(text string) bool {
	return strings.Contains(text, "=") && !strings.ContainsAny(text, " \t\r\n\"'{}<>:,;")
}

// form is a form or a query. What holds no secret stays as it was sent.
func (r *redactor) form(p *place, text string, level int) string {
	if text == "" {
		return text
	}
	pairs := strings.Split(text, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plainName, plainValue := unescape(name), unescape(value)
		if plainValue == "" {
			continue
		}
		at := p.in(plainName)
		before := r.secrets
		var clean string
		if k := ofName(plainName); secretText(plainValue, k) || secretNumber(plainValue, k) {
			clean = r.hide(at, plainValue)
		} else {
			clean = r.deeper(at, plainValue, level)
		}
		if r.secrets != before {
			pairs[i] = name + "=" + separators.Replace(clean)
		}
	}
	return strings.Join(pairs, "&")
}

// separators escapes what would end a value in a form.
var separators = strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23")

func unescape(text string) string {
	if clean, err := url.QueryUnescape(text); err == nil {
		return clean
	}
	return text
}

// boundaryIn is the boundary of a text that looks like a multipart body.
func boundaryIn(text string) string {
	text = strings.TrimLeft(text, "\r\n")
	line, rest, ok := strings.Cut(text[:min(len(text), 1024)], "\n")
	boundary, dashes := strings.CutPrefix(strings.TrimRight(line, "\r \t"), "--")
	if !ok || !dashes || boundary == "" || len(boundary) > 70 {
		return ""
	}
	if name, _, ok := strings.Cut(rest, ":"); !ok || !strings.HasPrefix(strings.ToLower(name), "content-") {
		return ""
	}
	return boundary
}

// multipart is a body of parts. Each is shown or hidden by its name and by what
// is in it.
func (r *redactor) multipart(p *place, text, boundary string, level int) string {
	var out strings.Builder
	delimiter := "--" + boundary
	for inPart := false; ; inPart = true {
		part, rest, more := cutDelimiter(text, delimiter)
		if inPart {
			out.WriteString(r.part(p, part, level))
		} else {
			out.WriteString(r.search(p, part))
		}
		if !more {
			return out.String()
		}
		out.WriteString(delimiter)
		if strings.HasPrefix(rest, "--") { // the last one; what follows is no part
			out.WriteString(r.search(p, rest))
			return out.String()
		}
		text = rest
	}
}

// cutDelimiter cuts around the first delimiter that begins a line.
func cutDelimiter(text, delimiter string) (before, after string, found bool) {
	for from := 0; ; {
		i := strings.Index(text[from:], delimiter)
		if i < 0 {
			return text, "", false
		}
		i += from
		if i == 0 || text[i-1] == '\n' {
			return text[:i], text[i+len(delimiter):], true
		}
		from = i + len(delimiter)
	}
}

// part is one part: the rest of the line of its delimiter, its headers, an empty
// line, its content and the line break before the next delimiter.
func (r *redactor) part(p *place, part string, level int) string {
	headEnd, gap := strings.Index(part, "\r\n\r\n"), 4
	if i := strings.Index(part, "\n\n"); i >= 0 && (headEnd < 0 || i < headEnd) {
		headEnd, gap = i, 2
	}
	if headEnd < 0 {
		if !readable(part) {
			return "\r\n" + r.unreadable(p, part) + "\r\n"
		}
		return r.search(p, part)
	}
	head, content := part[:headEnd+gap], part[headEnd+gap:]
	end := ""
	for _, lineBreak := range [...]string{"\r\n", "\n"} {
		if rest, ok := strings.CutSuffix(content, lineBreak); ok {
			content, end = rest, lineBreak
			break
		}
	}
	name, encoded := partHeaders(head)
	at := p.in(name)
	if k := ofName(name); secretText(content, k) || secretNumber(content, k) {
		content = r.hide(at, content)
	} else if content != "" && (encoded || !readable(content)) {
		content = r.unreadable(at, content)
	} else {
		content = r.deeper(at, content, level)
	}
	if !readable(head) {
		head = "\r\n" + r.unreadable(p, head) + "\r\n\r\n"
	}
	return r.search(p, head) + content + end
}

// partHeaders is the name of a part, and whether its content is encoded, so that
// nobody can read it as it is.
func partHeaders(head string) (name string, encoded bool) {
	for line := range strings.SplitSeq(head, "\n") {
		field, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(field)) {
		case "Content-Disposition":
			if _, parameters, err := mime.ParseMediaType(value); err == nil {
				name = parameters["name"]
			}
		case "Content-Transfer-Encoding":
			value = strings.ToLower(value)
			encoded = encoded || (value != "" && value != "7bit" && value != "8bit" && value != "binary")
		case "Content-Encoding":
			encoded = encoded || (value != "" && !strings.EqualFold(value, "identity"))
		}
	}
	return name, encoded
}
