package approval_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/approval"
)

// approvals answers every ask with one approval, and counts its uses.
type approvals struct {
	found aureus.Approval
	asked aureus.ApprovalAsk
	used  int
}

func (a *approvals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	a.asked = ask
	return aureus.ApprovalTicket{Approval: a.found, Joined: true}, nil
}

func (a *approvals) ConsumeApproval(context.Context, string, aureus.ApprovalUse) error {
	a.used++
	return nil
}

// An approval that fewer people or weaker roles may grant than the terms of the decider
// say is not used, whatever its status: the request is undecided.
func TestAnswer_ApprovalUnderWeakerTerms_IsNotUsed(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{Effect: aureus.RequireApproval, Digest: aureus.Digest{1}}
	for name, c := range map[string]struct {
		terms  aureus.ApprovalTerms
		quorum aureus.Quorum
		roles  []string
		good   bool
	}{
		"no terms":                         {quorum: aureus.Quorum{Needed: 1, Have: 1}, good: true},
		"a server that says nothing":       {good: true},
		"as strict":                        {terms(2, []string{"admin"}, time.Hour, time.Hour), aureus.Quorum{Needed: 2, Have: 2}, []string{"admin"}, true},
		"stricter":                         {terms(2, nil, 0, 0), aureus.Quorum{Needed: 3, Have: 3}, []string{"admin"}, true},
		"one person for two":               {terms(2, nil, 0, 0), aureus.Quorum{Needed: 1, Have: 1}, []string{"operator"}, false},
		"a server that knows no terms":     {terms(2, nil, 0, 0), aureus.Quorum{}, nil, false},
		"operators for admins":             {terms(0, []string{"admin"}, 0, 0), aureus.Quorum{Needed: 1, Have: 1}, []string{"operator"}, false},
		"admins, and a server without any": {terms(0, []string{"admin"}, 0, 0), aureus.Quorum{Needed: 1, Have: 1}, nil, false},
		"both roles for admins":            {terms(0, []string{"admin"}, 0, 0), aureus.Quorum{Needed: 1, Have: 1}, []string{"admin", "operator"}, false},
	} {
		for _, status := range aureus.ApprovalStatus("").Words() {
			source := &approvals{found: aureus.Approval{
				ID: "apr_1", Status: aureus.ApprovalStatus(status), ActionDigest: decision.Digest, Quorum: c.quorum, Roles: c.roles,
			}}
			ask := approval.AskFor(aureus.Request{}, decision)
			ask.Terms = c.terms
			answer, err := approval.Answer(t.Context(), source, ask, decision)
			require.Equal(t, c.terms, source.asked.Terms)
			if !c.good {
				require.ErrorContains(t, err, "terms", name)
				require.Equal(t, aureus.Deny, answer.Effect, name)
				require.Zero(t, source.used, name)
				continue
			}
			require.NoError(t, err, name)
			require.Equal(t, status == "approved", answer.Effect == aureus.Allow, name)
		}
	}
}
