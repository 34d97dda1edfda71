package controlplane

import (
	"fmt"
	"slices"
)

// Role says what a key may do. Each role may do what the ones before it may. The
// zero value may do nothing.
type Role string

// The roles.
const (
	RoleService  Role = "service"  // evaluates, validates, reports
	RoleOperator Role = "operator" // also decides approvals and reads everything of its tenant
	RoleAdmin    Role = "admin"    // also replaces what others registered
)

var roles = []Role{RoleService, RoleOperator, RoleAdmin}

// atLeast reports whether r may do what need may. An unknown role may do
// nothing, and nobody may do what needs an unknown one.
func (r Role) atLeast(need Role) bool {
	have, want := slices.Index(roles, r), slices.Index(roles, need)
	return want >= 0 && have >= want
}

// ParseRole reads a role's word.
func ParseRole(word string) (Role, error) {
	if slices.Contains(roles, Role(word)) {
		return Role(word), nil
	}
	return "", fmt.Errorf("controlplane: the role must be service, operator or admin, not %q", word)
}
