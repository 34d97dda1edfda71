// Package routepattern writes the routes of other routers as patterns of net/http, so that
// one table of routes, or one policy bundle, serves every router.
package routepattern

import (
	"path"
	"slices"
	"strings"
	"unicode"
)

// Rest is the name of the wildcard for the rest of the path where the router has none.
const Rest = "rest"

// Colon returns the pattern for a route of gin or echo, which have the segments :name, *name
// and, last, *. It returns "" if net/http has no pattern for the route: a wildcard that is
// only a part of a segment, a name that is no identifier or that occurs twice, a literal
// segment with braces, a path that is not clean. A route for every method has the method "".
func Colon(method, route string) string {
	return build(method, route, func(segment string) (name string, rest, ok bool) {
		switch {
		case strings.ContainsAny(segment, `{}\`), strings.LastIndexAny(segment, ":*") > 0:
			return "", false, false
		case segment == "*":
			return Rest, true, true
		case strings.HasPrefix(segment, "*"):
			return segment[1:], true, true
		case strings.HasPrefix(segment, ":"):
			return segment[1:], false, segment != ":"
		}
		return "", false, true
	})
}

// Braces returns the pattern for a route of chi or gorilla/mux, which have the segments
// {name}, {name:expression} and, last, * (chi). The expression is left out: routes that
// differ only in it have the same pattern. {name:.*} and {name:.+} as the last segment are
// {name...}. The host in front of the path, if there is one, must have no variable. Braces
// returns "" in the same cases as [Colon], and for a literal segment that begins with ":".
func Braces(method, route string) string {
	if strings.Contains(route, "\x00") {
		return "" // stands for a slash in an expression below
	}
	masked, ok := maskSlashes(route)
	if !ok {
		return ""
	}
	return build(method, masked, func(segment string) (name string, rest, ok bool) {
		if segment == "*" {
			return Rest, true, true
		}
		if !strings.HasPrefix(segment, "{") {
			return "", false, !strings.ContainsAny(segment, "{}*") && !strings.HasPrefix(segment, ":")
		}
		if closing(segment) != len(segment)-1 {
			return "", false, false
		}
		name, expression, _ := strings.Cut(segment[1:len(segment)-1], ":")
		return name, expression == ".*" || expression == ".+", name != ""
	})
}

// maskSlashes replaces the slashes inside braces, which do not end a segment. It reports
// false if the braces are not in pairs.
func maskSlashes(route string) (string, bool) {
	text, depth := []byte(route), 0
	for i, c := range text {
		switch {
		case c == '{':
			depth++
		case c == '}':
			depth--
		case c == '/' && depth > 0:
			text[i] = 0
		}
		if depth < 0 {
			return "", false
		}
	}
	return string(text), depth == 0
}

// closing returns the index of the brace that closes the one at the start of the segment.
func closing(segment string) int {
	depth := 0
	for i := range len(segment) {
		switch segment[i] {
		case '{':
			depth++
		case '}':
			depth--
			if depth == 0 {
				return i
			}
		}
	}
	return -1
}

// build writes the pattern. wildcard returns the name in a segment, "" for a literal one,
// and not ok for a segment that has no form in net/http.
func build(method, route string, wildcard func(segment string) (name string, rest, ok bool)) string {
	host, tail, found := strings.Cut(route, "/")
	if !found || strings.ContainsFunc(method, unicode.IsSpace) || strings.ContainsAny(host, "{}:*") || strings.ContainsFunc(host, unicode.IsSpace) {
		return ""
	}
	segments := strings.Split(tail, "/")
	var names []string
	for i, segment := range segments {
		name, rest, ok := wildcard(segment)
		last := i == len(segments)-1
		switch {
		case !ok, name == "" && segment == "" && !last:
			return ""
		case name == "":
			continue
		case !identifier(name), slices.Contains(names, name):
			return ""
		case rest && !last:
			return ""
		}
		names = append(names, name)
		if rest {
			name += "..."
		}
		segments[i] = "{" + name + "}"
	}
	clean := "/" + strings.Join(segments, "/")
	if cleaned := path.Clean(clean); cleaned != clean && cleaned+"/" != clean {
		return ""
	}
	if method != "" {
		method += " "
	}
	return method + host + clean
}

// identifier reports whether net/http takes the text as the name of a wildcard.
func identifier(name string) bool {
	for i, c := range name {
		if !unicode.IsLetter(c) && c != '_' && (i == 0 || !unicode.IsDigit(c)) {
			return false
		}
	}
	return name != ""
}
