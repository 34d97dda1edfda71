// Package rules decides requests for the control plane. It runs the same guard.Local
// that services embed, with the server's configuration, so that local and remote
// decisions are the same.
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

// Rules is the configuration of the guard. Now must be set; the zero values of the
// other fields are the strictest settings.
type Rules struct {
	// LenientPermissions and Volatile are as in controlplane.Config.
	LenientPermissions bool
	Volatile           []string

	Now func() time.Time
}

// Local returns a decider for the tenant. If approvals is nil, requests that need an
// approval are refused.
func (r Rules) Local(tenant string, approvals guard.Approvals) *guard.Local {
	return &guard.Local{
		Approvals: approvals, Tenant: tenant, LenientPermissions: r.LenientPermissions, Volatile: r.Volatile, Now: r.Now,
	}
}

// Preview decides the request without requesting or consuming an approval.
func (r Rules) Preview(tenant string, request aureus.Request) aureus.Decision {
	return r.Local(tenant, nil).Preview(request)
}

// HasPermission reports whether the principal holds the permissions that the action
// requires. It ignores the allowed tools and the risk tier.
func (r Rules) HasPermission(tenant string, request aureus.Request) bool {
	request.Action.AllowedTools = nil
	request.Arguments, request.HTTP, request.Volatile = nil, nil, nil // no permission depends on them, and they may be large
	return r.Preview(tenant, request).Effect != aureus.Deny
}

// Check returns the error response for a request that is malformed or that the
// caller may not make, and nil for a valid one.
func (r Rules) Check(c web.Caller, request aureus.Request) error {
	err := request.Validate()
	if err == nil {
		err = approval.CheckClaimed(&request)
	}
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
