package policy

import (
	"cmp"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/inputs"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// input is a value of a request that decisions about an action can depend on.
type input struct {
	name string
	path []string
}

// Reads lists the values of a request that decisions about the action can depend on,
// sorted: those that its conditions, its schema and its required resources read, by the
// names of [aureus.DecisionInput]. The ids, the tool and the time of a request are not
// listed, because every record of a decision has them. The result is nil for an action
// that is open or that the bundle does not list.
func (b *Bundle) Reads(actionID string) (names []string) {
	a := b.actions[actionID]
	if a == nil || a.open {
		return nil
	}
	for _, in := range a.inputs() {
		names = append(names, in.name)
	}
	return names
}

// inputsOf returns the inputs of an action. Most decisions need none of them, so this is
// called when the first one is recorded.
func (b *Bundle) inputsOf(a *action) (list []input) {
	add := func(paths ...[]string) {
		for _, path := range paths {
			for _, path := range requestPaths(path) {
				if name := inputs.Name(path); len(name) <= inputs.MaxName {
					list = append(list, input{name: name, path: path})
				}
			}
		}
	}
	for _, name := range a.arguments {
		add([]string{"arguments", name})
	}
	if a.schema != nil {
		add([]string{"arguments"})
	}
	for _, when := range b.conditionsOf(a) {
		add(when.program.Paths()...)
	}
	for _, budget := range a.budgets {
		if budget.sum != nil {
			add(budget.sum.program.Paths()...)
		}
	}
	slices.SortFunc(list, func(x, y input) int { return strings.Compare(x.name, y.name) })
	return slices.CompactFunc(list, func(x, y input) bool { return x.name == y.name })
}

// conditionsOf lists the conditions that decisions about the action may evaluate, each
// text once, in the order of their numbers.
func (b *Bundle) conditionsOf(a *action) (list []*condition) {
	found := map[int]bool{}
	add := func(when *condition) {
		if when != nil && !found[when.number] {
			found[when.number] = true
			list = append(list, when)
		}
	}
	for n := range b.assigned {
		add(b.assigned[n].when)
	}
	for n := range a.tierWhen {
		add(a.tierWhen[n].when)
	}
	for n := range a.requires {
		for _, grants := range a.requires[n].depending {
			for _, g := range grants {
				add(g.when)
			}
		}
	}
	for _, r := range a.conditional {
		add(r.when)
	}
	slices.SortFunc(list, func(x, y *condition) int { return cmp.Compare(x.number, y.number) })
	return list
}

// requestPaths returns the inputs behind what an expression reads. What it reads of the
// action, the tool, params and the ids is no input, and the variables of a resource are
// made of arguments.
func requestPaths(path []string) [][]string {
	member := ""
	if len(path) > 1 {
		member = path[1]
	}
	switch path[0] {
	case "arguments", "claims":
		return [][]string{path}
	case "principal":
		if member == "" || member == "type" {
			return [][]string{{"principal", "type"}}
		}
	case "request":
		switch member {
		case "method", "path", "host":
			return [][]string{{"request", member}}
		case "":
			return [][]string{{"request", "method"}, {"request", "path"}, {"request", "host"}}
		}
	}
	return nil
}

// recording says which inputs a decider records; nil: none.
type recording struct{ allowed inputs.AllowList }

func newRecording(names []string) (*recording, error) {
	if len(names) == 0 {
		return nil, nil //nolint:nilnil // nothing is recorded
	}
	allowed, err := inputs.NewAllowList(names)
	return &recording{allowed: allowed}, err
}

// record fills in the inputs of a decision of the bundle. A request that is not valid has
// none: its arguments may have names that mislead.
func (r *recording) record(b *Bundle, request *aureus.Request, decision *aureus.Decision) {
	if r == nil || decision.ReasonCode == aureus.ReasonInvalidRequest {
		return
	}
	a := b.actions[decision.ActionID]
	if a == nil || a.open {
		return
	}
	list := a.inputs()
	left := inputs.MaxValues
	for _, in := range list[:min(len(list), inputs.MaxInputs)] {
		next := r.read(request, in, &left)
		if !slices.ContainsFunc(decision.Inputs, func(other aureus.DecisionInput) bool { return other.Name == next.Name }) {
			decision.Inputs = append(decision.Inputs, next)
		}
	}
}

// read returns an input with its value, if that may be recorded. left is the number of
// bytes that the values may still have.
func (r *recording) read(request *aureus.Request, in input, left *int) aureus.DecisionInput {
	value, path, found := lookUp(request, in.path)
	result := aureus.DecisionInput{Name: in.name}
	if len(path) < len(in.path) { // a value around it says why it is missing
		result.Name = inputs.Name(path)
	}
	switch {
	case !found && r.allowed.Allows(in.path):
		result.Status = vocab.InputAbsent
	case !r.allowed.Allows(path):
		result.Status = vocab.InputRedacted
	default:
		text, err := strictjson.MarshalText(value)
		if err != nil || len(text) > inputs.MaxValue || len(text) > *left {
			result.Status = vocab.InputTooLarge
			break
		}
		*left -= len(text)
		result.Status = vocab.InputRecorded
		result.Value, _ = strictjson.Parse(text) // a copy, which the program cannot change; it has just been written
	}
	return result
}

// lookUp returns the value at a path. If a value on the way is absent or has no members,
// it returns that value and the path to it.
func lookUp(request *aureus.Request, path []string) (value any, reached []string, found bool) {
	switch path[0] {
	case "arguments":
		value, found = request.Arguments, request.Arguments != nil
		if found {
			value = freeFormValue(request.Arguments)
		}
	case "claims":
		value, found = freeFormObject(request.Principal.Claims), request.Principal.Claims != nil
	case "principal":
		return request.Principal.Type, path, request.Principal.Type != ""
	case "request":
		text := ""
		if call := request.HTTP; call != nil {
			text = map[string]string{"method": call.Method, "path": call.Path, "host": call.Host}[path[1]]
		}
		return text, path, text != ""
	}
	for n := 1; found && n < len(path); n++ {
		object, isObject := value.(map[string]any)
		if !isObject && value != nil {
			if converted := freeFormValue(value); converted != nil {
				object, isObject = converted.(map[string]any)
			}
		}
		if !isObject {
			return value, path[:n], true
		}
		if value, found = object[path[n]]; !found {
			return nil, path[:n+1], false
		}
	}
	if !found {
		return nil, path[:1], false
	}
	return value, path, true
}
