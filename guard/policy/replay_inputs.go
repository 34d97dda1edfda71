package policy

import (
	"slices"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/inputs"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// knowledge says which values of a request are known: those at these paths, with
// everything inside of them.
type knowledge struct{ paths [][]string }

// has reports whether the value at the path is known.
func (k *knowledge) has(path []string) bool {
	return slices.ContainsFunc(k.paths, func(known []string) bool { return inputs.HasPrefix(path, known) })
}

// newKnowledge returns what is known by the request and by recorded inputs, and adds the
// values of the inputs to the request. What the request has itself stays as it is.
func newKnowledge(request *aureus.Request, recorded []aureus.DecisionInput) (known knowledge) {
	add := func(path ...string) { known.paths = append(known.paths, path) }
	arguments, claims := map[string]any{}, map[string]any{}
	if request.Arguments != nil {
		add("arguments")
		arguments = nil
	}
	if request.Principal.Claims != nil {
		add("claims")
		claims = nil
	}
	if request.Principal.Type != "" {
		add("principal", "type")
	}
	var call aureus.HTTPCall
	if request.HTTP != nil {
		call = *request.HTTP
		add("request", "method")
		add("request", "path")
		if call.Host != "" || call.Method == "" {
			add("request", "host")
		}
	}
	for _, in := range recorded {
		path, ok := inputs.Path(in.Name)
		absent := in.Status == vocab.InputAbsent
		if !ok || !absent && in.Status != vocab.InputRecorded || known.has(path) {
			continue
		}
		text, isText := in.Value.(string)
		isText = isText || absent
		switch {
		case path[0] == "arguments" && arguments != nil:
			ok = place(&request.Arguments, arguments, path, in.Value, absent)
		case path[0] == "claims" && claims != nil:
			var whole any
			if ok = place(&whole, claims, path, in.Value, absent); whole != nil {
				claims, ok = whole.(map[string]any)
			}
		case in.Name == "principal.type" && isText:
			request.Principal.Type = text
		case in.Name == "request.method" && isText:
			call.Method = text
		case in.Name == "request.path" && isText:
			call.Path = text
		case in.Name == "request.host" && isText:
			call.Host = text
		default:
			ok = false
		}
		if ok {
			add(path...)
		}
	}
	if request.Arguments == nil && len(arguments) > 0 {
		request.Arguments = arguments
	}
	if len(claims) > 0 {
		request.Principal.Claims = claims
	}
	if request.HTTP != nil || call.Method != "" || call.Path != "" || call.Host != "" {
		request.HTTP = &call
	}
	return known
}

// place puts a recorded value into an object, where the path says, or into whole if the
// path is that of the object itself. It reports false if another recorded value is in the
// way.
func place(whole *any, object map[string]any, path []string, value any, absent bool) bool {
	if len(path) == 1 {
		if !absent {
			*whole = value
		}
		return len(object) == 0
	}
	if *whole != nil {
		return false
	}
	for _, name := range path[1 : len(path)-1] {
		next, found := object[name]
		if !found {
			next = map[string]any{}
			object[name] = next
		}
		inner, isObject := next.(map[string]any)
		if !isObject {
			return false
		}
		object = inner
	}
	last := path[len(path)-1]
	if _, found := object[last]; found {
		return false
	}
	if !absent {
		object[last] = value
	}
	return true
}
