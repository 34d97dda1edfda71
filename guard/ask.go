package guard

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// requireApproval completes the decision on a request that needs a person's
// approval: it opens the approval for the request's digest, or joins the pending
// one, and uses it if a person has approved it.
func (l *Local) requireApproval(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	return approval.Ask(ctx, l.lookup(), l.digest, request, decision, aureus.ApprovalTerms{})
}

// denyWithTicket completes the denial of a request that presents the ticket of
// an approval; see [approval.DenyWithTicket].
func (l *Local) denyWithTicket(ctx context.Context, request aureus.Request, decision aureus.Decision) (aureus.Decision, error) {
	return approval.DenyWithTicket(ctx, l.lookup(), l.digest, request, decision)
}

// lookup returns Approvals as the interface of package approval, and nil for nil.
func (l *Local) lookup() approval.Lookup {
	if l.Approvals == nil {
		return nil
	}
	return l.Approvals
}

func (l *Local) digest(request aureus.Request) (aureus.Digest, error) {
	return Digest(l.Tenant, request)
}
