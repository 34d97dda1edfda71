package routepattern

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/farmountain/aureus-go/internal/current"
)

// The reasons why a path value cannot be decided on, for the caller.
const (
	encodedSlash  = "the path has an escaped slash (%2F) in a value; send the value in the query or in the body"
	innerSlash    = "the path has a slash in a value that is one segment; send the value in the query or in the body"
	doubleEscape  = "the path has a value with an escape that stays after it was unescaped, such as %2541; send the value in the query or in the body"
	uncleanPath   = "the path has an empty segment, or a segment . or ..; send the clean path"
	changedMethod = "the method of the request was changed after its route was selected; send the request with the intended method"
)

// Value returns the value of a wildcard without escapes. escaped says that the router took the
// text from the escaped path. The reason is not empty if handlers could read another value
// than the policy, depending on how they read it: the value has an escaped slash, so that it
// names something below another route; it still has an escape after it was unescaped, so that
// a handler that unescapes it again gets another text; or it has an empty segment or one of
// dots, which a handler that opens a file by it removes.
func Value(text string, escaped bool) (value, reason string) {
	if escaped {
		if text, reason = Unescape(text); reason != "" {
			return text, reason
		}
	}
	if hasEscape(text) {
		return text, doubleEscape
	}
	for first, rest := true, text; rest != ""; first = false {
		segment, tail, found := strings.Cut(rest, "/")
		if segment == "." || segment == ".." || (segment == "" && (found || !first)) {
			return text, uncleanPath
		}
		rest = tail
	}
	return text, ""
}

// Unescape returns an escaped path, or a part of it, without escapes. The reason is not empty
// if it has an escaped slash.
func Unescape(text string) (plain, reason string) {
	if !strings.Contains(text, "%") {
		return text, ""
	}
	if strings.Contains(text, "%2F") || strings.Contains(text, "%2f") {
		return text, encodedSlash
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain, ""
	}
	return text, "" // unescaped already
}

// hasEscape reports whether the text has a % before two hexadecimal digits.
func hasEscape(text string) bool {
	for i := 0; i+2 < len(text); i++ {
		if text[i] == '%' && isHex(text[i+1]) && isHex(text[i+2]) {
			return true
		}
	}
	return false
}

func isHex(c byte) bool {
	return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F')
}

// Segment is [Value] for a wildcard that stands for one segment: a slash in it was escaped, or
// the router lets the last wildcard of a route match several segments.
func Segment(text string, escaped bool) (value, reason string) {
	value, reason = Value(text, escaped)
	if reason == "" && strings.Contains(value, "/") {
		return text, innerSlash
	}
	return value, reason
}

// Refuse returns the request without a pattern and with a reason that [Value] gave. The guard
// answers it with 400 and the reason.
func Refuse(r *http.Request, reason string) *http.Request {
	r.Pattern = ""
	return r.WithContext(context.WithValue(r.Context(), current.Refused{}, reason))
}

// SameMethod reports whether a request with the method is one that the router has selected a
// route for the other method by, which is "" if the route serves every method. A route for GET
// may serve HEAD. The reason is not empty if not: the handler would run for a method that was
// not decided on.
func SameMethod(selected, method string) (reason string) {
	if selected == "" || selected == method || (selected == http.MethodGet && method == http.MethodHead) {
		return ""
	}
	return changedMethod
}
