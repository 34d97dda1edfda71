package policy_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
)

// The definition of the action comes from the bundle, and what the preview shows stays
// with it, for the approver and for the digest.
func TestWithPreview_Engine_ApproverSeesItAndItIsBound(t *testing.T) {
	srv := aureustest.New(t)
	engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
	state := "on shelf 3"
	decider := guard.WithPreview(engine, func(context.Context, aureus.Request) (guard.Preview, error) {
		return guard.Preview{Shown: object{"state": state}}, nil
	})
	decide := func() aureus.Decision {
		decision, err := guard.Decide(t.Context(), decider, move())
		require.NoError(t, err)
		return decision
	}

	first := decide()
	require.Equal(t, aureus.RequireApproval, first.Effect)
	shown := srv.Pending()
	require.Len(t, shown, 1)
	require.Equal(t, object{"effect_class": "irreversible", "preview": object{"state": "on shelf 3"}}, shown[0].Action.Metadata)
	srv.Approve(first.Approval.ID)

	state = "on shelf 4"
	require.Equal(t, aureus.RequireApproval, decide().Effect, "another state is another request")
	state = "on shelf 3"
	require.Equal(t, aureus.Allow, decide().Effect)
}
