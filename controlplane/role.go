package controlplane

import (
	"fmt"
	"slices"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Role says what a key may do. Each role may do what the ones before it may. The
// zero value may do nothing.
type Role string

// The roles.
const (
	RoleService  = Role(web.Service)  // evaluates, validates, reports
	RoleOperator = Role(web.Operator) // also decides approvals and reads everything of its tenant
	RoleAdmin    = Role(web.Admin)    // also replaces what others registered
)

// ParseRole reads a role's word.
func ParseRole(word string) (Role, error) {
	if slices.Contains(web.Roles, web.Role(word)) {
		return Role(word), nil
	}
	return "", fmt.Errorf("controlplane: the role must be service, operator or admin, not %q", word)
}
