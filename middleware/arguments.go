package middleware

import (
	"fmt"
	"io"
	"mime"
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
// It returns nil if the route takes no part of the request.
//
// A name in two parts, and names that differ only in case, are errors: a handler might read
// another one than the policy. So is a body that a handler might read as something else than
// the JSON object that the policy reads.
func (t *boundRoute) arguments(r *http.Request, hidden []string) (map[string]any, error) {
	if t.takesNothing {
		return nil, nil //nolint:nilnil // no arguments are a valid result
	}
	a := argumentList{values: make(map[string]any, len(t.wildcards))}
	for _, w := range t.wildcards {
		value := r.PathValue(w.name)
		if value == "" && !w.rest {
			return nil, &Invalid{Reason: "the path has no value for {" + jsonvalue.Clip(w.name, maxLogged) + "}"}
		}
		if hasDots(value) {
			return nil, &Invalid{Reason: "the value of {" + jsonvalue.Clip(w.name, maxLogged) + "} in the path has a segment . or .., also if it is escaped; send the path without them"}
		}
		if err := a.add(partPath, w.name, value); err != nil {
			return nil, err
		}
	}
	if t.fromQuery {
		if !t.ofBody && hasForm(r) {
			return nil, &Invalid{Reason: "a form in the body is not accepted, because the policy reads the parameters in the query; send them there"}
		}
		if err := a.addQuery(r.URL.RawQuery, hidden); err != nil {
			return nil, err
		}
	}
	if t.ofBody {
		if err := a.addBody(r); err != nil {
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
	parts  map[string]string // by folded name, the part that the argument comes from; nil before a second part
}

// add adds one argument. The parts are compared only when there is more than one.
func (a *argumentList) add(part, name string, value any) error {
	if text, ok := value.(string); !utf8.ValidString(name) || (ok && !utf8.ValidString(text)) {
		return &Invalid{Reason: "the " + part + " is not text in UTF-8"}
	}
	if part != partPath {
		if a.parts == nil {
			a.parts = make(map[string]string, len(a.values)+1)
			for earlier := range a.values {
				a.parts[strictjson.Fold(earlier)] = partPath
			}
		}
		folded := strictjson.Fold(name)
		if earlier := a.parts[folded]; earlier != "" {
			return conflict(name, earlier, part)
		}
		a.parts[folded] = part
	}
	a.values[name] = value
	return nil
}

func conflict(name, earlier, part string) error {
	name = jsonvalue.Clip(name, maxLogged)
	if earlier == part {
		return &Invalid{Reason: fmt.Sprintf("the %s has %q more than once, with capital and small letters; send it once", part, name)}
	}
	return &Invalid{Reason: fmt.Sprintf("%q is in the %s and in the %s; send it once, so that it is clear which one counts", name, earlier, part)}
}

// hasForm reports whether the body is a form whose values replace those of the query for a
// handler that reads both with http.Request.FormValue.
func hasForm(r *http.Request) bool {
	if r.Body == nil || r.Body == http.NoBody {
		return false
	}
	for _, text := range r.Header["Content-Type"] {
		kind, _, _ := strings.Cut(text, ";")
		if strings.EqualFold(strings.TrimSpace(kind), "application/x-www-form-urlencoded") {
			return true
		}
	}
	return false
}

// addQuery adds the parameters of the query, without those that are credentials.
func (a *argumentList) addQuery(raw string, hidden []string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return &Invalid{Reason: "the query is not valid: every % must begin an escape, and ; must be escaped"}
	}
	for name, values := range query {
		if slices.Contains(hidden, name) {
			continue
		}
		var value any = values[0]
		if len(values) > 1 {
			list := make([]any, len(values))
			for i, text := range values {
				if !utf8.ValidString(text) {
					return &Invalid{Reason: "the query is not text in UTF-8"}
				}
				list[i] = text
			}
			value = list
		}
		if err := a.add(partQuery, name, value); err != nil {
			return err
		}
	}
	return nil
}

// addBody adds the members of the body, which must be a JSON object if it is not empty.
func (a *argumentList) addBody(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if len(text) == 0 {
		return nil
	}
	if err := checkJSON(r.Header); err != nil {
		return err
	}
	parsed, err := strictjson.Parse(text)
	if err != nil {
		return &Invalid{Reason: "the body is not valid JSON: " + err.Error()}
	}
	object, ok := parsed.(map[string]any)
	if !ok {
		return &Invalid{Reason: "the body must be a JSON object"}
	}
	for name, value := range object {
		if err := a.add(partBody, name, value); err != nil {
			return err
		}
		if twin := ambiguousName(value); twin != "" {
			return conflict(twin, partBody, partBody)
		}
	}
	return nil
}

// checkJSON refuses a body that is not declared as JSON in UTF-8. Otherwise a handler that
// follows the declaration could read other values than the policy, for example from a form.
func checkJSON(header http.Header) error {
	types := header["Content-Type"]
	if len(types) != 1 {
		return &Invalid{Reason: "the body must have one Content-Type, which is application/json"}
	}
	kind, parameters, err := mime.ParseMediaType(types[0])
	if err != nil || (kind != "application/json" && (!strings.HasPrefix(kind, "application/") || !strings.HasSuffix(kind, "+json"))) {
		return &Invalid{Reason: "the Content-Type of the body must be application/json"}
	}
	if charset := parameters["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return &Invalid{Reason: "the body must be JSON in UTF-8"}
	}
	for _, coding := range header["Content-Encoding"] {
		if !strings.EqualFold(strings.TrimSpace(coding), "identity") {
			return &Invalid{Reason: "the body must not have a Content-Encoding, because the policy reads it"}
		}
	}
	return nil
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
		seen := make(map[string]bool, len(value))
		for name, member := range value {
			folded := strictjson.Fold(name)
			if seen[folded] {
				return name
			}
			seen[folded] = true
			if name := ambiguousName(member); name != "" {
				return name
			}
		}
	}
	return ""
}
