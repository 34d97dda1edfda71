// Package rules decides requests for the control plane: by the policy bundle of the
// tenant, with the same policy.Engine that services embed, or, for a tenant without one,
// by guard.Local with the server's configuration. The stops of the tenant apply in both
// cases.
package rules

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

// Rules decides the requests of all tenants. Now and Policies must be set; the zero
// values of the other fields are the strictest settings.
type Rules struct {
	// LenientPermissions and Volatile are as in controlplane.Config. A policy bundle
	// ignores LenientPermissions.
	LenientPermissions bool
	Volatile           []string

	// RecordInputs is that of policy.Config.
	RecordInputs []string

	Now      func() time.Time
	Policies *Policies
}

// For returns the policy of the tenant. It may be read from memory: a decision that is
// stored compares its revision in the transaction. It fails if the stored bundle cannot be
// used.
func (r Rules) For(ctx context.Context, tenant string) (*Policy, error) {
	loaded, err := r.Policies.of(ctx, tenant, r)
	if err != nil {
		return nil, err
	}
	if loaded.engine != nil {
		if err := loaded.engine.Replace(loaded.bundle); err != nil { // confirms that it is in force, for its max_age
			return nil, err
		}
	}
	return &Policy{loaded: loaded, rules: r, tenant: tenant}, nil
}

// Changed makes the next call of For read the policy of the tenant from the store.
func (r Rules) Changed(tenant string) { r.Policies.changed(tenant, nil) }

// Replaced does the same after a bundle was stored, which is not compiled again.
func (r Rules) Replaced(tenant string, bundle *policy.Bundle, signature []byte) {
	r.Policies.changed(tenant, &compiled{bundle: bundle, text: bundle.Text(), signature: signature})
}

// local returns the decider for a tenant without a policy bundle.
func (r Rules) local(tenant string) *guard.Local {
	return &guard.Local{Tenant: tenant, LenientPermissions: r.LenientPermissions, Volatile: r.Volatile, Now: r.Now}
}
