package web

import "slices"

// Role determines what a key may do. Each role includes the roles before it. The zero
// value may do nothing.
type Role string

// The roles, from the weakest to the strongest. These strings are stored with the keys.
const (
	Service  Role = "service"
	Operator Role = "operator"
	Admin    Role = "admin"
)

// Roles lists all roles, from the weakest to the strongest.
var Roles = []Role{Service, Operator, Admin}

// AtLeast reports whether r is need or a stronger role. It is false if either is
// unknown.
func (r Role) AtLeast(need Role) bool {
	have, want := slices.Index(Roles, r), slices.Index(Roles, need)
	return want >= 0 && have >= want
}
