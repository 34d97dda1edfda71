package observe

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// policyState is the policy of a tenant that is in force, in the form in which the
// stream sends it. A tenant that never had a policy has the revision 0.
type policyState struct {
	revision int64
	text     []byte // JSON
}

// readPolicy returns the policy of the tenant in force. If its revision is still that of
// known, it returns known.
func (s *Service) readPolicy(ctx context.Context, tenant string, known policyState) (policyState, error) {
	var revision int64
	var change aureus.PolicyChange
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		if revision, err = t.Policies().Revision(tenant); err != nil || revision == known.revision {
			return err
		}
		change, err = policyInForce(t, tenant)
		return err
	})
	if err != nil || revision == known.revision {
		return known, err
	}
	text, err := strictjson.MarshalText(change)
	if err != nil {
		return known, err
	}
	return policyState{revision: revision, text: text}, nil
}

func policyInForce(t storage.Tx, tenant string) (change aureus.PolicyChange, err error) {
	bundles, _, err := t.Policies().Bundles(tenant, 0, 1)
	if err != nil {
		return change, err
	}
	for _, b := range bundles {
		change.Bundle, change.ETag = storage.BundleName(b.Name, b.Version), b.Digest
	}
	stops, err := t.Policies().Stops(tenant)
	change.StopsETag = storage.StopsDigest(stops)
	return change, err
}
