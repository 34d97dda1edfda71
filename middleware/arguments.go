package middleware

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// arguments returns the arguments of a request on the route: the path values as texts, the
// query parameters as texts or lists of texts, and the members of the body, all in one object.
// It returns nil if the route takes no part of the request. b is the body, nil without one.
//
// A name in two parts, and names that differ only in case, are errors: a handler might read
// another one than the policy. So is a body that a handler might read as something else than
// the JSON object that the policy reads.
func (t *boundRoute) arguments(r *http.Request, b *body, hidden []string) (map[string]any, error) {
	if t.takesNothing {
		return nil, nil //nolint:nilnil // no arguments are a valid result
	}
	var a argumentList
	if t.ofBody {
		object, err := bodyObject(r.Header, b)
		if err != nil {
			return nil, err
		}
		if err := a.addBody(object); err != nil {
			return nil, err
		}
	}
	if a.values == nil {
		a.values = make(map[string]any, len(t.wildcards))
	}
	for _, w := range t.wildcards {
		value := r.PathValue(w.name)
		if value == "" && !w.rest {
			return nil, &Invalid{Reason: "the path has no value for {" + jsonvalue.Clip(w.name, maxLogged) + "}"}
		}
		if hasDots(value) {
			return nil, &Invalid{Reason: "the value of {" + jsonvalue.Clip(w.name, maxLogged) + "} in the path has a segment . or .., also if it is escaped; send the path without them"}
		}
		if !utf8.ValidString(value) {
			return nil, notUTF8(partPath)
		}
		if t.fromQuery || t.ofBody { // names that come from the pattern alone are different
			if err := a.names.add(partPath, w.name); err != nil {
				return nil, err
			}
		}
		a.values[w.name] = value
	}
	if t.fromQuery {
		if !t.ofBody && b != nil && hasForm(r.Header) {
			return nil, &Invalid{Reason: "a form in the body is not accepted, because the policy reads the parameters in the query; send them there"}
		}
		if err := a.addQuery(r.URL.RawQuery, hidden); err != nil {
			return nil, err
		}
	}
	return a.values, nil
}

// hasDots reports whether a path value has a segment "." or "..". A ServeMux removes them from
// a path, but not those that are escaped, and a handler that opens a file by the value reads
// another name than the policy.
func hasDots(value string) bool {
	for i := 0; i < len(value); {
		end := strings.IndexByte(value[i:], '/')
		if end < 0 {
			end = len(value) - i
		}
		if segment := value[i : i+end]; segment == "." || segment == ".." {
			return true
		}
		i += end + 1
	}
	return false
}

// argumentList collects the arguments of one request.
type argumentList struct {
	values map[string]any
	names  argumentNames
}

// addBody adds the members of the body. They come first, so that the object is used as it is.
func (a *argumentList) addBody(object map[string]any) error {
	for name, value := range object {
		if err := a.names.add(partBody, name); err != nil {
			return err
		}
		if twin := ambiguousName(value); twin != "" {
			return conflict(twin, partBody, partBody)
		}
	}
	a.values = object
	return nil
}

// fewParameters is the number of parameters up to which a query is not read by net/url too, which
// refuses one with too many.
const fewParameters = 8

// addQuery adds the parameters of the query, without those that are credentials. It divides
// the query as [url.ParseQuery] does, which the handler uses.
func (a *argumentList) addQuery(raw string, hidden []string) error {
	if strings.Count(raw, "&") >= fewParameters {
		if _, err := url.ParseQuery(raw); err != nil { // also if there are too many, which a handler then does not see
			return errQuery
		}
	}
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		if strings.Contains(pair, ";") {
			return errQuery
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return errQuery
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return errQuery
		}
		if slices.Contains(hidden, name) {
			continue
		}
		if err := a.addParameter(name, value); err != nil {
			return err
		}
	}
	return nil
}

var errQuery = &Invalid{Reason: "the query is not valid: every % must begin an escape, and ; must be escaped"}

// addParameter adds one parameter of the query. Those with the same name become a list.
func (a *argumentList) addParameter(name, value string) error {
	if !utf8.ValidString(name) || !utf8.ValidString(value) {
		return notUTF8(partQuery)
	}
	earlier, again := a.values[name]
	if !again || a.names.find(strictjson.Fold(name)) != partQuery {
		if err := a.names.add(partQuery, name); err != nil {
			return err
		}
		a.values[name] = value
		return nil
	}
	list, ok := earlier.([]any)
	if !ok {
		list = []any{earlier}
	}
	a.values[name] = append(list, value)
	return nil
}

func notUTF8(part string) error { return &Invalid{Reason: "the " + part + " is not text in UTF-8"} }

// conflict returns the error for a name that occurs in two parts, or twice in one.
func conflict(name, one, other string) error {
	name = jsonvalue.Clip(name, maxLogged)
	if one == other {
		return &Invalid{Reason: fmt.Sprintf("the %s has %q more than once, with capital and small letters; send it once", one, name)}
	}
	if one == partBody || other == partPath {
		one, other = other, one
	}
	return &Invalid{Reason: fmt.Sprintf("%q is in the %s and in the %s; send it once, so that it is clear which one counts", name, one, other)}
}

// hasForm reports whether the body is a form whose values replace those of the query for a
// handler that reads both with http.Request.FormValue.
func hasForm(header http.Header) bool {
	for _, text := range header["Content-Type"] {
		kind, _, _ := strings.Cut(text, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
			return true
		}
	}
	return false
}

// ambiguousName returns a name that an object in the value has more than once if capital and
// small letters are not distinguished, or "".
func ambiguousName(value any) string {
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			if name := ambiguousName(item); name != "" {
				return name
			}
		}
	case map[string]any:
		var names argumentNames
		for name, member := range value {
			if names.add(partBody, name) != nil {
				return name
			}
			if name := ambiguousName(member); name != "" {
				return name
			}
		}
	}
	return ""
}

// argumentNames are the names of arguments, without their case, each with the part of the
// request that it comes from. The first ones are in an array, because most requests have few.
type argumentNames struct {
	few   [8]argumentName
	count int
	many  map[string]string // all names, by folded name; nil while few has all of them
}

type argumentName struct{ folded, part string }

// add adds a name. A name that differs from an earlier one only in case, or not at all, is an
// error.
func (n *argumentNames) add(part, name string) error {
	folded := strictjson.Fold(name)
	if earlier := n.find(folded); earlier != "" {
		return conflict(name, earlier, part)
	}
	switch {
	case n.many != nil:
		n.many[folded] = part
	case n.count < len(n.few):
		n.few[n.count] = argumentName{folded, part}
		n.count++
	default:
		n.many = make(map[string]string, 2*len(n.few))
		for _, known := range n.few {
			n.many[known.folded] = known.part
		}
		n.many[folded] = part
	}
	return nil
}

// find returns the part of the request with that folded name, or "".
func (n *argumentNames) find(folded string) string {
	if n.many != nil {
		return n.many[folded]
	}
	for _, known := range n.few[:n.count] {
		if known.folded == folded {
			return known.part
		}
	}
	return ""
}
