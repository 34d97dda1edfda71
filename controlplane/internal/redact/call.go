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

// redactCall returns the HTTP call to show.
func (r *redactor) redactCall(p *location, call aureus.HTTPCall) *aureus.HTTPCall {
	call.Method = r.escapeUnseen(p.child("method"), call.Method, 0)
	call.Host = r.escapeUnseen(p.child("host"), call.Host, 0)
	call.Path = r.redactProse(p.child("path"), call.Path)
	call.Query = r.escapeUnseen(p.child("query"), r.redactForm(p.child("query"), call.Query, 0), 0)
	call.ContentType = r.redactProse(p.child("content_type"), call.ContentType)
	call.Headers = r.redactHeaders(p.child("headers"), call.Headers)
	call.Body = aureus.Body(r.redactBody(p.child("body"), call))
	call.ContentEncoding = r.redactProse(p.child("content_encoding"), call.ContentEncoding)
	return &call
}

func (r *redactor) redactHeaders(p *location, headers map[string][]string) map[string][]string {
	clean := make(map[string][]string, len(headers))
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		loc := p.child(name)
		k := kindOfName(name)
		shown := make([]string, len(headers[name]))
		for i, value := range headers[name] {
			if k != notSecret && value != "" {
				shown[i] = r.hideSecret(loc, value)
			} else {
				shown[i] = r.redactAndEscape(loc, value, 0)
			}
		}
		title := r.escapeUnseen(loc, name, 0)
		if title != name && (headers[title] != nil || clean[title] != nil) {
			title += " " + r.digest(name)
		}
		clean[title] = shown
	}
	return clean
}

// redactBody returns the body to show. Its format is detected from its content;
// the content type is only used if the content is ambiguous.
func (r *redactor) redactBody(p *location, call aureus.HTTPCall) string {
	body := string(call.Body)
	kind, parameters, err := mime.ParseMediaType(call.ContentType)
	switch {
	case body == "":
		return ""
	case call.ContentEncoding != "" && !strings.EqualFold(strings.TrimSpace(call.ContentEncoding), "identity"):
		return r.hideUnreadable(p, body)
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
		clean = r.redactMultipart(p, body, boundary, 0)
	case !readable(body):
		return r.hideUnreadable(p, body)
	case err == nil && kind == "application/x-www-form-urlencoded" && !looksLikeJSON(body):
		clean = r.redactForm(p, body, 0)
	default:
		clean = r.redactText(p, body, 0)
	}
	switch {
	case !readable(clean): // unreadable content outside the parts
		return r.hideUnreadable(p, body)
	case !utf8.ValidString(clean): // aureus.Body is encoded as base64
		return clean
	}
	return r.escapeUnseen(p, clean, 0)
}

// readable reports whether the content is text that a person can read, in UTF-8 or
// in another encoding that includes ASCII.
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

// redactForm redacts a form or a query. Pairs without a secret stay byte for
// byte.
func (r *redactor) redactForm(p *location, text string, level int) string {
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
		loc := p.child(plainName)
		before := r.secrets
		var clean string
		if k := kindOfName(plainName); secretText(plainValue, k) || secretNumber(plainValue, k) {
			clean = r.hideSecret(loc, plainValue)
		} else {
			clean = r.redactNested(loc, plainValue, level)
		}
		if r.secrets != before {
			pairs[i] = name + "=" + separators.Replace(clean)
		}
	}
	return strings.Join(pairs, "&")
}

// separators escapes the characters that end a value in a form.
var separators = strings.NewReplacer("%", "%25", "&", "%26", "+", "%2B", "#", "%23")

func unescape(text string) string {
	if clean, err := url.QueryUnescape(text); err == nil {
		return clean
	}
	return text
}

// boundaryIn returns the boundary of a text that looks like a multipart body, or "".
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

// redactMultipart redacts the parts of a multipart body, each by its name and
// its content.
func (r *redactor) redactMultipart(p *location, text, boundary string, level int) string {
	var out strings.Builder
	delimiter := "--" + boundary
	for inPart := false; ; inPart = true {
		part, rest, more := cutDelimiter(text, delimiter)
		if inPart {
			out.WriteString(r.redactPart(p, part, level))
		} else {
			out.WriteString(r.search(p, part))
		}
		if !more {
			return out.String()
		}
		out.WriteString(delimiter)
		if strings.HasPrefix(rest, "--") { // the closing delimiter; what follows is not a part
			out.WriteString(r.search(p, rest))
			return out.String()
		}
		text = rest
	}
}

// cutDelimiter splits the text at the first delimiter at the beginning of a line.
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

// redactPart redacts one part: the rest of the delimiter's line, the headers,
// an empty line, the content and the line break before the next delimiter.
func (r *redactor) redactPart(p *location, part string, level int) string {
	headEnd, gap := strings.Index(part, "\r\n\r\n"), 4
	if i := strings.Index(part, "\n\n"); i >= 0 && (headEnd < 0 || i < headEnd) {
		headEnd, gap = i, 2
	}
	if headEnd < 0 {
		if !readable(part) {
			return "\r\n" + r.hideUnreadable(p, part) + "\r\n"
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
	loc := p.child(name)
	if k := kindOfName(name); secretText(content, k) || secretNumber(content, k) {
		content = r.hideSecret(loc, content)
	} else if content != "" && (encoded || !readable(content)) {
		content = r.hideUnreadable(loc, content)
	} else {
		content = r.redactNested(loc, content, level)
	}
	if !readable(head) {
		head = "\r\n" + r.hideUnreadable(p, head) + "\r\n\r\n"
	}
	return r.search(p, head) + content + end
}

// partHeaders returns the name of a part, and whether its content is encoded so that
// a person cannot read it.
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
