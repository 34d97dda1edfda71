package guard_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// Both types implement Decider.
var (
	_ guard.Decider = (*guard.Local)(nil)
	_ guard.Decider = guard.DeciderFunc(nil)
)

func TestCheck_UnusableDecider_ErrorNamesTheCause(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, guard.Check(t.Context(), nil, lowRisk()), "there is no decider")
	require.ErrorContains(t, guard.Check(t.Context(), guard.DeciderFunc(nil), lowRisk()), "nil function")
	require.ErrorContains(t, guard.Check(t.Context(), (*guard.Local)(nil), lowRisk()), "nil *Local")
	panicking := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { panic("the secret") })
	require.NotContains(t, guard.Check(t.Context(), panicking, lowRisk()).Error(), "secret")
}

func TestDecide_CancelledContext_DoesNotCallTheDecider(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := guard.Decide(ctx, guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		t.Error("the decider was called")
		return aureus.Decision{}, nil
	}), lowRisk())
	require.ErrorIs(t, err, context.Canceled)
}

func TestRefusal_EachReasonCode_MatchesItsSentinels(t *testing.T) {
	t.Parallel()
	sentinels := []error{
		guard.ErrDenied, guard.ErrApprovalRequired, guard.ErrUndecided, aureus.ReasonApprovalPending.Err(), aureus.ReasonApprovalRejected.Err(),
		aureus.ReasonApprovalExpired.Err(), aureus.ReasonApprovalConsumed.Err(), aureus.ReasonTooManyPending.Err(),
	}
	for _, c := range []struct {
		effect aureus.Effect
		code   aureus.ReasonCode
		want   []error
	}{
		{aureus.Deny, aureus.ReasonPermissionDenied, []error{guard.ErrDenied}},
		{aureus.Deny, aureus.ReasonTooManyPending, []error{guard.ErrDenied, aureus.ReasonTooManyPending.Err()}},
		{aureus.Deny, aureus.ReasonApprovalRejected, []error{guard.ErrDenied, aureus.ReasonApprovalRejected.Err()}},
		{aureus.RequireApproval, aureus.ReasonHighRisk, []error{guard.ErrApprovalRequired}},
		{aureus.RequireApproval, aureus.ReasonApprovalPending, []error{guard.ErrApprovalRequired, aureus.ReasonApprovalPending.Err()}},
		{aureus.RequireApproval, aureus.ReasonApprovalExpired, []error{guard.ErrApprovalRequired, aureus.ReasonApprovalExpired.Err()}},
		{aureus.RequireApproval, aureus.ReasonApprovalConsumed, []error{guard.ErrApprovalRequired, aureus.ReasonApprovalConsumed.Err()}},
	} {
		err := guard.Check(t.Context(), &fixedDecider{decision: aureus.Decision{Effect: c.effect, ReasonCode: c.code, ActionID: "drop"}}, highRisk())
		var matched []error
		for _, sentinel := range sentinels {
			if errors.Is(err, sentinel) {
				matched = append(matched, sentinel)
			}
		}
		require.Equal(t, c.want, matched, c.code)
		refusal, ok := errors.AsType[*guard.Refusal](err)
		require.True(t, ok)
		require.Equal(t, "drop", refusal.Decision.ActionID)
	}
}
