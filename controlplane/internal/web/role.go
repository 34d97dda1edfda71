package web

import "slices"

// Role is what a key may do. Each role may do what the ones before it may. The
// zero value may do nothing.
type Role string

// The roles. Their words are stored with the keys.
const (
	Service  Role = "service"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// Roles are all of them, the least one first.
var Roles = []Role{Service, Operator, Admin}

// AtLeast reports whether r may do what need may. An unknown role may do
// nothing, and no role may do what needs an unknown one.
func (r Role) AtLeast(need Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, need)
	return want >= 0 && have >= want
}
