package policy

import (
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// role is a named list of grants. Roles are numbered in the order of the text.
type role struct {
	name   string
	grants []*grant
}

// grant permits an action on a resource.
type grant struct {
	role             int
	position         syntax.Pos
	action, resource pattern
	intent           aureus.Intent
	zone             aureus.DataZone
	when             *condition // nil: always
	names            []string   // of the variables of resource, in their order
}

// subject is what the bundle says about a principal.
type subject struct {
	roles []int // sorted
	names []string
	set   roleSet // the roles; empty if the list is shorter
}

// assignment gives a role to the principals for which a condition holds.
type assignment struct {
	role int
	when *condition
}

func (c *compiler) compileRoles() {
	c.roleNumbers = make(map[string]int, len(c.document.Roles))
	for i := range c.document.Roles {
		source := &c.document.Roles[i]
		c.roleNumbers[source.Name.Value] = i
		compiled := role{name: source.Name.Value, grants: make([]*grant, 0, len(source.Grants))}
		for j := range source.Grants {
			g := &source.Grants[j]
			resource := compilePattern(g.Resource.Value)
			next := &grant{
				role: i, position: g.Pos, action: compilePattern(g.Action.Value), resource: resource,
				intent: aureus.Intent(g.Intent.Value), zone: aureus.DataZone(g.Zone.Value), names: resource.names(),
			}
			if g.When.Set() {
				next.when = c.condition(g.When, mayReadResource)
			}
			compiled.grants = append(compiled.grants, next)
		}
		c.bundle.roles = append(c.bundle.roles, compiled)
	}
}

// roleNumber returns the number of a role; -1 if it is not defined, which package syntax
// has reported.
func (c *compiler) roleNumber(name syntax.Text) int {
	if number, found := c.roleNumbers[name.Value]; found {
		return number
	}
	return -1
}

func (c *compiler) compilePrincipals() {
	b := c.bundle
	b.exact = make(map[string]*subject, len(c.document.Principals))
	b.prefixes = map[string]*subject{}
	for i := range c.document.Principals {
		source := &c.document.Principals[i]
		s := &subject{}
		for _, name := range source.Roles {
			if number := c.roleNumber(name); number >= 0 && !slices.Contains(s.roles, number) {
				s.roles = append(s.roles, number)
			}
		}
		slices.Sort(s.roles)
		s.names = b.roleNames(s.roles)
		if set := newRoleSet(s.roles); len(set.words) < len(s.roles) {
			s.set = set
		}
		table, name := b.exact, source.Name.Value
		if prefix, ok := strings.CutSuffix(name, "*"); ok {
			table, name = b.prefixes, prefix
		}
		table[name] = s
	}
	for prefix := range b.prefixes {
		if !slices.Contains(b.lengths, len(prefix)) {
			b.lengths = append(b.lengths, len(prefix))
		}
	}
	slices.Sort(b.lengths)
	slices.Reverse(b.lengths)
	for i := range c.document.Assign {
		source := &c.document.Assign[i]
		if number := c.roleNumber(source.Role); number >= 0 {
			if when := c.condition(source.When, noResource); when != nil {
				c.refuseTier(when)
				b.assigned = append(b.assigned, assignment{role: number, when: when})
			}
		}
	}
}

// refuseTier reports the condition of an assignment that reads the risk tier. The tier can
// depend on the roles through tier_when, so it is not known when the roles are assigned.
func (c *compiler) refuseTier(when *condition) {
	for _, path := range when.program.Paths() {
		if path[0] == "action" && (len(path) == 1 || path[1] == "tier") {
			c.problemf(when.at, "the condition must not read action.tier: the tier can depend on the roles; use action.id instead")
			return
		}
	}
}

func (b *Bundle) roleNames(numbers []int) []string {
	names := make([]string, len(numbers))
	for i, number := range numbers {
		names[i] = b.roles[number].name
	}
	return names
}

// subject returns what the bundle says about a principal, or nil. An exact name is
// stronger than a beginning, and a longer beginning than a shorter one.
func (b *Bundle) subject(id string) *subject {
	if s := b.exact[id]; s != nil {
		return s
	}
	for _, n := range b.lengths {
		if n <= len(id) {
			if s := b.prefixes[id[:n]]; s != nil {
				return s
			}
		}
	}
	return nil
}

// roleSet is a set of roles by number. It stores the words between the first and the last
// role only, because most permissions are granted by few roles.
type roleSet struct {
	first int
	words []uint64
}

const wordBits = 64

// newRoleSet returns the set of the numbers, which must be sorted.
func newRoleSet(sorted []int) roleSet {
	if len(sorted) == 0 {
		return roleSet{}
	}
	first, last := sorted[0]/wordBits, sorted[len(sorted)-1]/wordBits
	set := roleSet{first: first, words: make([]uint64, last-first+1)}
	for _, number := range sorted {
		set.words[number/wordBits-first] |= 1 << (number % wordBits)
	}
	return set
}

// hasAny reports whether at least one of the roles is in the set.
func (s *roleSet) hasAny(roles []int) bool {
	for _, number := range roles {
		if word := number/wordBits - s.first; word >= 0 && word < len(s.words) && s.words[word]&(1<<(number%wordBits)) != 0 {
			return true
		}
	}
	return false
}

// hasAnyOf reports whether the subject has at least one of the roles in the set.
func (s *roleSet) hasAnyOf(who *subject) bool {
	if len(who.set.words) == 0 {
		return s.hasAny(who.roles)
	}
	for i, word := range s.words {
		if n := i + s.first - who.set.first; n >= 0 && n < len(who.set.words) && word&who.set.words[n] != 0 {
			return true
		}
	}
	return false
}

// numbers lists the roles in the set, sorted.
func (s *roleSet) numbers() (list []int) {
	for i, word := range s.words {
		for bit := range wordBits {
			if word&(1<<bit) != 0 {
				list = append(list, (s.first+i)*wordBits+bit)
			}
		}
	}
	return list
}
