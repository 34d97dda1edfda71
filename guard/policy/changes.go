package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// Change is one difference between two bundles.
type Change struct {
	Kind    string   `json:"kind"` // bundle, role, grant, principal, assign, action, rule, param, budget, tier, on_unavailable or test
	Name    string   `json:"name"`
	Change  string   `json:"change"`            // added, removed or changed
	OldLine int      `json:"old_line,omitzero"` // in the text of the old bundle; 0 if it is added
	NewLine int      `json:"new_line,omitzero"` // in the text of the new bundle; 0 if it is removed
	Details []string `json:"details,omitzero"`  // what has changed, each as "key: old → new"
}

// ChangesSince lists what differs between an older bundle and this one, in the order of
// the kinds above. The order of the parts in the text, comments and spelling do not
// matter. It reads both texts again, so it takes milliseconds.
func (b *Bundle) ChangesSince(old *Bundle) []Change {
	was, now := itemsOf(old), itemsOf(b)
	before := make(map[itemKey]*item, len(was))
	for n := range was {
		before[was[n].itemKey] = &was[n]
	}
	changes, kept := []Change{}, make(map[itemKey]bool, len(now))
	for n := range now {
		next := &now[n]
		kept[next.itemKey] = true
		change := Change{Kind: next.kind, Name: next.name, NewLine: next.line}
		if from := before[next.itemKey]; from == nil {
			change.Change = "added"
		} else if change.Details = from.differences(next); len(change.Details) > 0 {
			change.Change, change.OldLine = "changed", from.line
		} else {
			continue
		}
		changes = append(changes, change)
	}
	for n := range was {
		if from := &was[n]; !kept[from.itemKey] {
			changes = append(changes, Change{Kind: from.kind, Name: from.name, Change: "removed", OldLine: from.line})
		}
	}
	slices.SortStableFunc(changes, func(x, y Change) int {
		return cmp.Or(slices.Index(itemKinds, x.Kind)-slices.Index(itemKinds, y.Kind), cmp.Compare(x.Name, y.Name))
	})
	return changes
}

// itemKinds lists the kinds of parts that are compared, in the order of the result.
var itemKinds = []string{
	"bundle", "role", kindGrant, kindPrincipal, kindAssign, kindAction, kindRule, "param", kindBudget, "tier", "on_unavailable", "test",
}

// itemKey finds the same part in another bundle.
type itemKey struct {
	kind, name string
	number     int // among the parts of the same kind and name
}

// item is a part of a bundle in a form that can be compared.
type item struct {
	itemKey
	line   int
	fields []field
}

// field is a key of a part with its value as text.
type field struct{ key, text string }

// differences lists the keys whose values differ.
func (i *item) differences(next *item) (list []string) {
	find := func(fields []field, key string) (text string, found bool) {
		if n := slices.IndexFunc(fields, func(f field) bool { return f.key == key }); n >= 0 {
			return fields[n].text, true
		}
		return "absent", false
	}
	for _, f := range i.fields {
		if to, found := find(next.fields, f.key); !found || to != f.text {
			list = append(list, fmt.Sprintf("%s: %s → %s", f.key, clipDetail(f.text), clipDetail(to)))
		}
	}
	for _, f := range next.fields {
		if _, found := find(i.fields, f.key); !found {
			list = append(list, fmt.Sprintf("%s: absent → %s", f.key, clipDetail(f.text)))
		}
	}
	return list
}

// maxDetail is the maximum number of characters of a value in a Change.
const maxDetail = 200

func clipDetail(text string) string {
	if runes := []rune(text); len(runes) > maxDetail {
		return string(runes[:maxDetail-1]) + "…"
	}
	return text
}

// itemsOf returns the parts of a bundle.
func itemsOf(b *Bundle) []item {
	document, problems := syntax.Parse(b.text)
	if len(problems) > 0 { // cannot happen: the text was parsed before
		return nil
	}
	l := lister{numbers: map[itemKey]int{}}
	l.add("bundle", document.Name.Value, 1, field{"version", strconv.FormatInt(document.Version.Value, 10)},
		field{"max_age", formatWindow(document.MaxAge.Value)}, field{"default_mode", cmp.Or(document.DefaultMode.Value, "enforce")})
	for n := range document.Roles {
		role := &document.Roles[n]
		l.add("role", role.Name.Value, role.Name.Line)
		for g := range role.Grants {
			grant := &role.Grants[g]
			l.add(kindGrant, role.Name.Value+": "+grant.Action.Value+" "+grant.Resource.Value, grant.Line, fieldsOf(*grant)...)
		}
	}
	for n := range document.Principals {
		l.add(kindPrincipal, document.Principals[n].Name.Value, document.Principals[n].Name.Line, fieldsOf(document.Principals[n])...)
	}
	for n := range document.Assign {
		l.add(kindAssign, document.Assign[n].Role.Value+" when "+document.Assign[n].When.Value, document.Assign[n].Line)
	}
	for n := range document.Actions {
		l.add(kindAction, document.Actions[n].ID.Value, document.Actions[n].ID.Line, fieldsOf(document.Actions[n])...)
	}
	for n := range document.Rules {
		l.add(kindRule, document.Rules[n].ID.Value, document.Rules[n].Line, fieldsOf(document.Rules[n])...)
	}
	for name, value := range document.Params.Value {
		l.add("param", name, document.Params.Line, field{"value", textOf(value)})
	}
	for n := range document.Budgets {
		l.add(kindBudget, document.Budgets[n].ID.Value, document.Budgets[n].Line, fieldsOf(document.Budgets[n])...)
	}
	for n, effect := range b.answers {
		l.add("tier", string(tierWords[n]), tierLine(document, tierWords[n]), field{"answer", effect.String()})
	}
	for n := range document.OnUnavailable {
		l.add("on_unavailable", document.OnUnavailable[n].Tier.Value, document.OnUnavailable[n].Tier.Line, fieldsOf(document.OnUnavailable[n])...)
	}
	for n := range document.Tests {
		l.add("test", document.Tests[n].Name.Value, document.Tests[n].Line, fieldsOf(document.Tests[n])...)
	}
	return l.items
}

// lister collects the parts of one bundle.
type lister struct {
	items   []item
	numbers map[itemKey]int
}

func (l *lister) add(kind, name string, line int, fields ...field) {
	key := itemKey{kind: kind, name: name}
	number := l.numbers[key]
	l.numbers[key]++
	key.number = number
	l.items = append(l.items, item{itemKey: key, line: line, fields: fields})
}
