package policy

import (
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// nameTree has the names of arguments that a bundle reads, and below each the names that
// it reads inside of it.
type nameTree struct {
	inside map[string]*nameTree
	folded map[string]string // the names by what strictjson.Fold makes of them
	names  []string          // the same names
	nested bool              // whether one of them has names inside
}

// add adds the path of a value.
func (t *nameTree) add(path []string) {
	for n, name := range path {
		t.nested = t.nested || n < len(path)-1
		inner := t.inside[name]
		if inner == nil {
			if t.inside == nil {
				t.inside, t.folded = map[string]*nameTree{}, map[string]string{}
			}
			inner = &nameTree{}
			t.inside[name], t.folded[strictjson.Fold(name)] = inner, name
			t.names = append(t.names, name)
		}
		t = inner
	}
}

// find returns the pointer of a name that differs from one of the tree in nothing but
// case, and that one. Of several, it is the first by its pointer. The pointer is empty if
// there is none.
func (t *nameTree) find(object map[string]any) (pointer, name string) {
	if t.hasOnly(object) {
		return "", ""
	}
	for given, value := range object {
		next, read := "", ""
		if inner := t.inside[given]; inner == nil {
			if other, found := t.folded[strictjson.Fold(given)]; found {
				next, read = "/"+given, other
			}
		} else if len(inner.inside) > 0 {
			nested, isObject := value.(map[string]any)
			if !isObject {
				nested = freeFormObject(value)
			}
			if next, read = inner.find(nested); next != "" {
				next = "/" + given + next
			}
		}
		if next != "" && (pointer == "" || next < pointer) {
			pointer, name = next, read
		}
	}
	return pointer, name
}

// hasOnly reports whether the object has no other names than the tree. It is faster than to
// go through the object, and false for larger ones.
func (t *nameTree) hasOnly(object map[string]any) bool {
	const few = 4
	if t.nested || len(object) > len(t.names) || len(t.names) > few {
		return false
	}
	known := 0
	for _, name := range t.names {
		if _, found := object[name]; found {
			known++
		}
	}
	return known == len(object)
}

// argumentPaths returns the paths inside the arguments that an expression reads by
// constant names.
func argumentPaths(paths [][]string) (found [][]string) {
	for _, path := range paths {
		if len(path) > 1 && path[0] == "arguments" {
			found = append(found, path[1:])
		}
	}
	return found
}

// maxReads is the maximum number of names of arguments that all actions read together. One
// that several different conditions of an action read counts for each.
const maxReads = 1_000_000

// noteNames fills in the names of the arguments that decisions about the action read.
// Actions with the same conditions share them.
func (c *compiler) noteNames(a *action) {
	var paths [][]string
	var text strings.Builder // of everything that paths depends on
	text.WriteString(strings.Join(a.arguments, "/"))
	for _, name := range a.arguments {
		paths = append(paths, []string{name})
	}
	for _, when := range c.bundle.conditionsOf(a) {
		if len(when.reads) > 0 {
			paths = append(paths, when.reads...)
			text.WriteString("," + strconv.Itoa(when.number))
		}
	}
	for _, b := range a.budgets {
		if b.sum != nil {
			reads := argumentPaths(b.sum.program.Paths())
			paths = append(paths, reads...)
			for _, path := range reads {
				text.WriteString(",." + strings.Join(path, "."))
			}
		}
	}
	if len(paths) == 0 {
		return
	}
	key := text.String()
	if a.names = c.names[key]; a.names != nil {
		return
	}
	if c.reads += len(paths); c.reads > maxReads {
		if c.reads-len(paths) <= maxReads { // reported once
			c.problemf(a.at, "the conditions of the actions up to %q read more than %d arguments: give the conditions to fewer actions", a.id, maxReads)
		}
		return
	}
	a.names = &nameTree{}
	for _, path := range paths {
		a.names.add(path)
	}
	c.names[key] = a.names
}

// checkNames refuses a name of an argument that differs from one that the bundle reads in
// nothing but case. Programs often read names without regard to case, as encoding/json
// does: they would act on a value that the bundle has not seen.
func (i *inquiry) checkNames() {
	if i.action.names == nil || i.request.Arguments == nil {
		return
	}
	object, isObject := i.request.Arguments.(map[string]any)
	if !isObject {
		object, _ = i.values(false).Value(celx.VarArguments).(map[string]any)
	}
	if pointer, name := i.action.names.find(object); pointer != "" {
		i.addDenial(aureus.ReasonInvalidRequest, ruleRequest,
			describe("/arguments: ", pointer, describe(" differs in case only from ", name, ", which the bundle reads: use the spelling of the bundle")))
	}
}
