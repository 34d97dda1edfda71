// Package rules is the decision point of the control plane: the guard that a
// service embeds, with the server's configuration, so that local and remote
// decisions cannot differ.
package rules

import (
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
)

// Rules are the rules by which the server decides. The zero value has the
// strictest ones, but Now must be set.
type Rules struct {
	// LenientPermissions and Volatile are those of the server's configuration.
	LenientPermissions bool
	Volatile           []string

	Now func() time.Time
}

// Local decides requests in the tenant, with approvals from the given source; nil
// refuses what needs an approval.
func (r Rules) Local(tenant string, approvals guard.Approvals) *guard.Local {
	return &guard.Local{
		Approvals: approvals, Tenant: tenant, LenientPermissions: r.LenientPermissions, Volatile: r.Volatile, Now: r.Now,
	}
}

// Preview is what the rules say of the request before anyone is asked.
func (r Rules) Preview(tenant string, request aureus.Request) aureus.Decision {
	return r.Local(tenant, nil).Preview(request)
}

// HasPermission reports whether the principal holds the permissions that the
// action requires, whatever the tool and the risk.
func (r Rules) HasPermission(tenant string, request aureus.Request) bool {
	request.Action.AllowedTools = nil
	request.Arguments, request.HTTP, request.Volatile = nil, nil, nil // they are large, and no permission depends on them
	return r.Preview(tenant, request).Effect != aureus.Deny
}

// Check returns the answer for a request that is malformed, or that the caller may
// not make, and nil for any other.
func (r Rules) Check(c web.Caller, request aureus.Request) error {
	err := request.Validate()
	if err == nil {
		err = approval.CheckVolatile(r.Volatile, request.Volatile)
	}
	if invalid, ok := errors.AsType[*invalidrequest.Error](err); ok {
		return web.InvalidBody(invalid.Pointer, invalid.Reason)
	}
	if err != nil {
		return web.InvalidBody("", err.Error())
	}
	return c.MaySpeakForBoth(request.Principal.ID, request.OnBehalfOf)
}
