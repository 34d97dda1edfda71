package guard_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// previewTest decides on requests with a preview that shows the state and, if blocked is
// set, blocks.
type previewTest struct {
	approvalTest
	state, blocked string
	err            error
	calls          int
}

func newPreviewTest(t *testing.T) *previewTest {
	t.Helper()
	return &previewTest{approvalTest: newApprovalTest(t), state: "balance 10"}
}

func (p *previewTest) preview(_ context.Context, _ aureus.Request) (guard.Preview, error) {
	p.calls++
	return guard.Preview{Blocked: p.blocked, Shown: map[string]any{"state": p.state}}, p.err
}

func (p *previewTest) decide(request aureus.Request) aureus.Decision {
	p.Helper()
	decision, err := guard.Decide(p.Context(), guard.WithPreview(p.decider, p.preview), request)
	require.NoError(p, err)
	return decision
}

func (p *previewTest) all() int {
	p.approvals.mu.Lock()
	defer p.approvals.mu.Unlock()
	return len(p.approvals.approvals)
}

func TestWithPreview_Blocked_NobodyIsAsked(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	p.blocked = "the balance would be negative"

	decision := p.decide(transferOf(5))

	require.Equal(t, aureus.Deny, decision.Effect)
	require.Equal(t, aureus.ReasonRuleDenied, decision.ReasonCode)
	require.Equal(t, "preview", decision.Rule)
	require.Equal(t, "the balance would be negative", decision.Reason)
	require.False(t, decision.ID.IsZero())
	require.Zero(t, p.all())
}

func TestWithPreview_Passes_ApproverSeesItAndTheRequestIsAllowedOnce(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	request := transferOf(5)
	request.Action.Metadata = map[string]any{"note": "kept", "preview": "made up by the caller"}
	given := maps.Clone(request.Action.Metadata)

	first := p.decide(request)
	require.Equal(t, aureus.RequireApproval, first.Effect)
	shown, err := p.approvals.Approval(t.Context(), first.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"note": "kept", "preview": map[string]any{"state": "balance 10"}}, shown.Action.Metadata)
	require.Equal(t, given, request.Action.Metadata, "the caller's metadata stays as it was")

	p.approve(first.Approval.ID)
	require.Equal(t, aureus.Allow, p.decide(request).Effect)
	require.Equal(t, aureus.RequireApproval, p.decide(request).Effect, "once")
}

func TestWithPreview_StateChangesAfterApproval_APersonIsAskedAgain(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	first := p.decide(transferOf(5))
	p.approve(first.Approval.ID)

	p.state = "balance 3"
	second := p.decide(transferOf(5))
	require.Equal(t, aureus.RequireApproval, second.Effect)
	require.NotEqual(t, first.Approval.ID, second.Approval.ID)

	p.state = "balance 10"
	require.Equal(t, aureus.Allow, p.decide(transferOf(5)).Effect, "the approval of this state was not used")
}

func TestWithPreview_BlockedAfterApproval_DeniesAndDoesNotUseIt(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	first := p.decide(transferOf(5))
	p.approve(first.Approval.ID)

	p.blocked = "the account is closed"
	require.Equal(t, aureus.Deny, p.decide(transferOf(5)).Effect)
	p.blocked = ""
	require.Equal(t, aureus.Allow, p.decide(transferOf(5)).Effect)
}

func TestWithPreview_NoPersonIsNeeded_IsNotCalled(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	p.blocked = "would block"
	denied := transferOf(5)
	denied.Principal.Permissions = nil
	denied.Action.RequiredPermissions = []aureus.Permission{{Action: "write", Resource: "ledger"}}

	require.Equal(t, aureus.Allow, p.decide(lowRisk()).Effect)
	require.Equal(t, aureus.ReasonPermissionDenied, p.decide(denied).ReasonCode)
	require.Zero(t, p.calls)
}

func TestWithPreview_Failures_AreNoDecision(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	p.err = errors.New("the database does not answer")
	fails := func(decider guard.Decider) error {
		decision, err := guard.Decide(t.Context(), decider, transferOf(5))
		require.ErrorIs(t, err, guard.ErrUndecided)
		require.Equal(t, aureus.Deny, decision.Effect)
		return err
	}

	require.ErrorIs(t, fails(guard.WithPreview(p.decider, p.preview)), p.err)
	require.Error(t, fails(guard.WithPreview(p.decider, nil)))
	require.Error(t, fails(guard.WithPreview(nil, p.preview)))
	require.Error(t, fails(guard.WithPreview(p.decider, func(context.Context, aureus.Request) (guard.Preview, error) { panic("secret") })))
	require.Zero(t, p.all())
}

// changingDecider has a policy that changes after Preview.
type changingDecider struct {
	guard.Previewer

	before aureus.Decision
}

func (c changingDecider) Preview(aureus.Request) aureus.Decision { return c.before }

func TestWithPreview_PolicyChangesMeanwhile_NoApprovalCountsWithoutAPreview(t *testing.T) {
	t.Parallel()
	for name, before := range map[string]aureus.Decision{
		"no decision": {Reason: "the budgets did not answer"}, "denied": {Effect: aureus.Deny}, "allowed": {Effect: aureus.Allow},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPreviewTest(t)
			decider := guard.WithPreview(changingDecider{p.decider, before}, p.preview)
			first, err := guard.Decide(t.Context(), decider, transferOf(5))
			require.NoError(t, err)
			require.Equal(t, aureus.RequireApproval, first.Effect)
			p.approve(first.Approval.ID)

			second, err := guard.Decide(t.Context(), decider, transferOf(5))

			require.ErrorIs(t, err, guard.ErrUndecided)
			require.ErrorContains(t, err, "without a preview")
			require.Equal(t, aureus.Deny, second.Effect)
			require.Zero(t, p.calls)
		})
	}
}

func TestWithPreview_VolatilePreview_IsRefused(t *testing.T) {
	t.Parallel()
	p := newPreviewTest(t)
	p.approvalTest.decider.Volatile = []string{"/metadata/preview"}
	request := transferOf(5)
	request.Volatile = []string{"/metadata/preview"}

	require.Equal(t, aureus.ReasonInvalidRequest, p.decide(request).ReasonCode)
	require.Zero(t, p.all())
}

func ExampleWithPreview() {
	balance := 100
	preview := func(_ context.Context, request aureus.Request) (guard.Preview, error) {
		arguments, _ := request.Arguments.(map[string]any)
		amount, _ := arguments["amount"].(int)
		if amount > balance {
			return guard.Preview{Blocked: "the balance would be negative"}, nil
		}
		return guard.Preview{Shown: map[string]any{"balance": map[string]any{"from": balance, "to": balance - amount}}}, nil
	}
	decider := guard.WithPreview(&guard.Local{Approvals: newMemoryApprovals()}, preview)
	for _, amount := range []int{30, 5000} {
		err := guard.Check(context.Background(), decider, aureus.Request{
			Principal: clerk, Action: transfer, Arguments: map[string]any{"to": "acme", "amount": amount},
		})
		fmt.Println(amount, errors.Is(err, guard.ErrApprovalRequired), errors.Is(err, guard.ErrDenied))
	}
	// Output:
	// 30 true false
	// 5000 false true
}
