package controlplane

import (
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Role determines what a key may do. Each role includes the roles before it. The zero
// value may do nothing.
type Role string

// The roles, from the weakest to the strongest.
const (
	RoleService  = Role(web.Service)  // evaluates, validates, reports
	RoleOperator = Role(web.Operator) // also decides approvals and reads everything of its tenant
	RoleAdmin    = Role(web.Admin)    // also replaces what others registered
)

// ParseRole returns the role with that name.
func ParseRole(word string) (Role, error) {
	if slices.Contains(web.Roles, web.Role(word)) {
		return Role(word), nil
	}
	return "", fmt.Errorf("controlplane: the role must be service, operator or admin, not %q", word)
}
