package guard_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// stubApprovals is an Approvals that returns what the test sets.
type stubApprovals struct {
	ticket  func(ask aureus.ApprovalAsk) aureus.ApprovalTicket
	askErr  error
	consume func() error
}

func (a stubApprovals) AskApproval(_ context.Context, ask aureus.ApprovalAsk) (aureus.ApprovalTicket, error) {
	if a.ticket == nil {
		return aureus.ApprovalTicket{}, a.askErr
	}
	return a.ticket(ask), a.askErr
}

func (a stubApprovals) ConsumeApproval(context.Context, string, aureus.ApprovalUse) error {
	if a.consume == nil {
		return nil
	}
	return a.consume()
}

func (a stubApprovals) Approval(context.Context, string) (aureus.Approval, error) {
	return aureus.Approval{}, errors.New("not expected")
}

// approved returns a function that returns a ticket with an approved approval for the
// digest of the request, altered by change.
func approved(change func(t *aureus.ApprovalTicket)) func(aureus.ApprovalAsk) aureus.ApprovalTicket {
	return func(ask aureus.ApprovalAsk) aureus.ApprovalTicket {
		ticket := aureus.ApprovalTicket{Joined: true, Approval: aureus.Approval{
			ID: "apr_00000000000000000000000000", Status: aureus.ApprovalApproved,
			ActionDigest: ask.Digest, PolicyVersion: ask.PolicyVersion,
		}}
		change(&ticket)
		return ticket
	}
}

func local(a guard.Approvals) guard.Decider { return &guard.Local{Approvals: a} }

func alwaysAllow(_ context.Context, _ aureus.Request) (aureus.Decision, error) {
	return aureus.Decision{Effect: aureus.Allow}, nil
}

var errBroken = errors.New("broken")

// failClosedCase is one row of the table: a decider, a request and the error that
// they must lead to.
type failClosedCase struct {
	decider guard.Decider
	request func(r *aureus.Request) // changes a request that would be allowed; nil changes nothing
	ctx     func(ctx context.Context) (context.Context, context.CancelFunc)
	want    error
	also    error // another error that the returned error must match
}

// Each row of this table would be an allow if one of the checks were missing.
func TestDecide_AnyDoubt_IsNotAnAllow(t *testing.T) {
	t.Parallel()
	high := func(r *aureus.Request) { r.Action.RiskTier = aureus.TierHigh }
	cancelled := func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		return ctx, cancel
	}
	oneSecond := func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	}
	change := func(f func(a *aureus.Approval)) stubApprovals {
		return stubApprovals{ticket: approved(func(t *aureus.ApprovalTicket) { f(&t.Approval) })}
	}
	consuming := func(err error) stubApprovals {
		return stubApprovals{ticket: approved(func(*aureus.ApprovalTicket) {}), consume: func() error { return err }}
	}

	rows := map[string]failClosedCase{
		// the decider
		"no decider":              {decider: nil, want: guard.ErrUndecided},
		"nil function":            {decider: guard.DeciderFunc(nil), want: guard.ErrUndecided},
		"nil *Local":              {decider: (*guard.Local)(nil), want: guard.ErrUndecided},
		"nil pointer that panics": {decider: (*fixedDecider)(nil), want: guard.ErrUndecided},
		"panic":                   {decider: guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { panic("boom") }), want: guard.ErrUndecided},
		"error with an allow":     {decider: &fixedDecider{aureus.Decision{Effect: aureus.Allow}, errBroken}, want: guard.ErrUndecided, also: errBroken},
		"zero decision":           {decider: &fixedDecider{}, want: guard.ErrDenied},
		"unknown effect":          {decider: &fixedDecider{aureus.Decision{Effect: 3}, nil}, want: guard.ErrUndecided},
		"largest effect":          {decider: &fixedDecider{aureus.Decision{Effect: 255}, nil}, want: guard.ErrUndecided},
		"require approval":        {decider: &fixedDecider{aureus.Decision{Effect: aureus.RequireApproval}, nil}, want: guard.ErrApprovalRequired},

		// cancellation and timeouts
		"cancelled before the call": {decider: guard.DeciderFunc(alwaysAllow), ctx: cancelled, want: guard.ErrUndecided, also: context.Canceled},
		"cancelled local":           {decider: &guard.Local{}, ctx: cancelled, want: guard.ErrUndecided, also: context.Canceled},
		"timeout, and the decider returns an error": {decider: guard.DeciderFunc(func(ctx context.Context, _ aureus.Request) (aureus.Decision, error) {
			<-ctx.Done()
			return aureus.Decision{Effect: aureus.Allow}, ctx.Err()
		}), ctx: oneSecond, want: guard.ErrUndecided, also: context.DeadlineExceeded},
		"timeout, and the decider allows": {decider: guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
			time.Sleep(time.Minute)
			return aureus.Decision{Effect: aureus.Allow}, nil
		}), ctx: oneSecond, want: guard.ErrUndecided, also: context.DeadlineExceeded},
		"timeout while the approval is opened": {decider: local(stubApprovals{ticket: func(ask aureus.ApprovalAsk) aureus.ApprovalTicket {
			time.Sleep(time.Minute)
			return approved(func(*aureus.ApprovalTicket) {})(ask)
		}}), request: high, ctx: oneSecond, want: guard.ErrUndecided, also: context.DeadlineExceeded},
		"timeout while the approval is used": {decider: local(stubApprovals{
			ticket: approved(func(*aureus.ApprovalTicket) {}), consume: func() error { time.Sleep(time.Minute); return nil },
		}), request: high, ctx: oneSecond, want: guard.ErrUndecided, also: context.DeadlineExceeded},

		// the request
		"zero request":           {decider: &guard.Local{}, request: func(r *aureus.Request) { *r = aureus.Request{} }, want: guard.ErrDenied},
		"no principal":           {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Principal.ID = "" }, want: guard.ErrDenied},
		"no action":              {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.ID = "" }, want: guard.ErrDenied},
		"no tier":                {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.RiskTier = "" }, want: guard.ErrDenied},
		"unknown tier":           {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.RiskTier = "lowest" }, want: guard.ErrDenied},
		"unknown tier, MCP":      {decider: &guard.Local{}, request: func(r *aureus.Request) { *r = mcp("none", nil) }, want: guard.ErrDenied},
		"unknown intent":         {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.Intent = "peek" }, want: guard.ErrDenied},
		"unknown zone":           {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.DataZone = "lobby" }, want: guard.ErrDenied},
		"unknown required zone":  {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.RequiredPermissions[0].DataZone = "lobby" }, want: guard.ErrDenied},
		"unknown held zone":      {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Principal.Permissions[0].DataZone = "top" }, want: guard.ErrDenied},
		"unknown held intent":    {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Principal.Permissions[0].Intent = "*" }, want: guard.ErrDenied},
		"missing tool":           {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.AllowedTools = []string{"psql"} }, want: guard.ErrDenied},
		"other tool":             {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.AllowedTools, r.Tool = []string{"psql"}, "sh" }, want: guard.ErrDenied},
		"missing permission":     {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Principal.Permissions = nil }, want: guard.ErrDenied},
		"wildcards held":         {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Principal.Permissions = []aureus.Permission{{Action: "*", Resource: "*"}} }, want: guard.ErrDenied},
		"missing condition":      {decider: &guard.Local{}, request: func(r *aureus.Request) { r.Action.RequiredPermissions[0].Conditions = map[string]any{"region": nil} }, want: guard.ErrDenied},
		"condition without JSON": {decider: &guard.Local{}, request: func(r *aureus.Request) { setConditionsWithoutJSON(r) }, want: guard.ErrDenied},
		"unreadable body":        {decider: local(newMemoryApprovals()), request: func(r *aureus.Request) { high(r); r.HTTP = brokenBody() }, want: guard.ErrUndecided, also: errBroken},
		"arguments without JSON": {decider: local(stubApprovals{ticket: approved(func(*aureus.ApprovalTicket) {})}), request: func(r *aureus.Request) { high(r); r.Arguments = func() {} }, want: guard.ErrDenied},
		"all arguments volatile": {decider: local(stubApprovals{ticket: approved(func(*aureus.ApprovalTicket) {})}), request: func(r *aureus.Request) { high(r); r.Volatile = []string{"/arguments"} }, want: guard.ErrDenied},

		// approvals
		"no Approvals":                {decider: &guard.Local{}, request: high, want: guard.ErrDenied},
		"nil pointer as Approvals":    {decider: local((*memoryApprovals)(nil)), request: high, want: guard.ErrUndecided},
		"opening fails":               {decider: local(stubApprovals{askErr: errBroken}), request: high, want: guard.ErrUndecided, also: errBroken},
		"error with an approval":      {decider: local(stubApprovals{ticket: approved(func(*aureus.ApprovalTicket) {}), askErr: errBroken}), request: high, want: guard.ErrUndecided, also: errBroken},
		"too many pending":            {decider: local(stubApprovals{askErr: aureus.ReasonTooManyPending.Err()}), request: high, want: guard.ErrDenied, also: aureus.ReasonTooManyPending.Err()},
		"digests differ":              {decider: local(stubApprovals{askErr: aureus.ReasonApprovalMismatch.Err()}), request: high, want: guard.ErrUndecided, also: aureus.ReasonApprovalMismatch.Err()},
		"zero ticket":                 {decider: local(stubApprovals{}), request: high, want: guard.ErrUndecided},
		"approved, no digest":         {decider: local(change(func(a *aureus.Approval) { a.ActionDigest = aureus.Digest{} })), request: high, want: guard.ErrUndecided, also: aureus.ReasonApprovalMismatch.Err()},
		"approved, another digest":    {decider: local(change(func(a *aureus.Approval) { a.ActionDigest[31] ^= 1 })), request: high, want: guard.ErrUndecided, also: aureus.ReasonApprovalMismatch.Err()},
		"approved, no id":             {decider: local(change(func(a *aureus.Approval) { a.ID = "" })), request: high, want: guard.ErrUndecided},
		"approved, other rules":       {decider: local(change(func(a *aureus.Approval) { a.PolicyVersion = "goal-guard/0" })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPolicyChanged.Err()},
		"approved, no policy version": {decider: local(change(func(a *aureus.Approval) { a.PolicyVersion = "" })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPolicyChanged.Err()},
		"pending, other rules":        {decider: local(change(func(a *aureus.Approval) { a.Status, a.PolicyVersion = aureus.ApprovalPending, "goal-guard/0" })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPolicyChanged.Err()},
		"no status":                   {decider: local(change(func(a *aureus.Approval) { a.Status = "" })), request: high, want: guard.ErrUndecided},
		"unknown status":              {decider: local(change(func(a *aureus.Approval) { a.Status = "granted" })), request: high, want: guard.ErrUndecided},
		"status in another case":      {decider: local(change(func(a *aureus.Approval) { a.Status = "Approved" })), request: high, want: guard.ErrUndecided},
		"pending":                     {decider: local(change(func(a *aureus.Approval) { a.Status = aureus.ApprovalPending })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPending.Err()},
		"rejected":                    {decider: local(change(func(a *aureus.Approval) { a.Status = aureus.ApprovalRejected })), request: high, want: guard.ErrDenied, also: aureus.ReasonApprovalRejected.Err()},
		"rejected under other rules":  {decider: local(change(func(a *aureus.Approval) { a.Status, a.PolicyVersion = aureus.ApprovalRejected, "" })), request: high, want: guard.ErrDenied},
		"expired":                     {decider: local(change(func(a *aureus.Approval) { a.Status = aureus.ApprovalExpired })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalExpired.Err()},
		"consumed":                    {decider: local(change(func(a *aureus.Approval) { a.Status = aureus.ApprovalConsumed })), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalConsumed.Err()},
		"pending with the hint approved": {decider: local(stubApprovals{ticket: approved(func(t *aureus.ApprovalTicket) {
			t.Approval.Status, t.Hint = aureus.ApprovalPending, aureus.ReasonApproved
		})}), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPending.Err()},
		"using fails":               {decider: local(consuming(errBroken)), request: high, want: guard.ErrUndecided, also: errBroken},
		"using times out":           {decider: local(consuming(context.DeadlineExceeded)), request: high, want: guard.ErrUndecided, also: context.DeadlineExceeded},
		"used by another":           {decider: local(consuming(aureus.ReasonApprovalConsumed.Err())), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalConsumed.Err()},
		"expired while using":       {decider: local(consuming(aureus.ReasonApprovalExpired.Err())), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalExpired.Err()},
		"revoked while using":       {decider: local(consuming(aureus.ReasonApprovalRejected.Err())), request: high, want: guard.ErrDenied, also: aureus.ReasonApprovalRejected.Err()},
		"pending when used":         {decider: local(consuming(aureus.ReasonApprovalPending.Err())), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPending.Err()},
		"rules changed while using": {decider: local(consuming(aureus.ReasonApprovalPolicyChanged.Err())), request: high, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalPolicyChanged.Err()},
		"mismatch while using":      {decider: local(consuming(aureus.ReasonApprovalMismatch.Err())), request: high, want: guard.ErrUndecided, also: aureus.ReasonApprovalMismatch.Err()},
		"unknown while using":       {decider: local(consuming(aureus.ReasonApprovalUnknown.Err())), request: high, want: guard.ErrUndecided, also: aureus.ReasonApprovalUnknown.Err()},
		"unknown ticket":            {decider: local(newMemoryApprovals()), request: func(r *aureus.Request) { high(r); r.ApprovalToken = "apr_00000000000000000000000000" }, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalUnknown.Err()},
		"malformed ticket":          {decider: local(newMemoryApprovals()), request: func(r *aureus.Request) { high(r); r.ApprovalToken = "../../admin" }, want: guard.ErrApprovalRequired, also: aureus.ReasonApprovalUnknown.Err()},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				request := lowRisk()
				if row.request != nil {
					row.request(&request)
				}
				ctx := t.Context()
				if row.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = row.ctx(ctx)
					defer cancel()
				}
				decision, err := guard.Decide(ctx, row.decider, request)
				require.NotEqual(t, aureus.Allow, decision.Effect)
				require.Equal(t, errors.Is(row.want, guard.ErrUndecided), err != nil, "%v", err)
				if err != nil {
					require.NotEqual(t, aureus.RequireApproval, decision.Effect, "an error must not suggest that an approval would help")
				}

				err = guard.Check(ctx, row.decider, request)
				for _, sentinel := range []error{guard.ErrDenied, guard.ErrApprovalRequired, guard.ErrUndecided} {
					require.Equal(t, errors.Is(row.want, sentinel), errors.Is(err, sentinel), "%v", err)
				}
				if row.also != nil {
					require.ErrorIs(t, err, row.also)
				}
				require.NotEmpty(t, err.Error())
			})
		})
	}
	t.Run("unchanged requests are allowed", func(t *testing.T) {
		t.Parallel()
		require.NoError(t, guard.Check(t.Context(), &guard.Local{}, lowRisk()))
		request := lowRisk()
		high(&request)
		require.NoError(t, guard.Check(t.Context(), local(change(func(*aureus.Approval) {})), request))
	})
}

// Local.Decide also fails closed when it is called without guard.Decide. The
// decision that it returns with an error still names the request's action and
// principal.
func TestLocal_CalledDirectly_FailsClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var none *guard.Local
		decision, err := none.Decide(t.Context(), lowRisk())
		require.ErrorContains(t, err, "guard.Local{}")
		require.Zero(t, decision)

		cancelled, cancel := context.WithCancelCause(t.Context())
		cancel(errBroken)
		decision, err = (&guard.Local{}).Decide(cancelled, lowRisk())
		require.ErrorIs(t, err, errBroken)
		require.Zero(t, decision)

		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		late := &guard.Local{Approvals: stubApprovals{
			ticket: approved(func(*aureus.ApprovalTicket) {}), consume: func() error { time.Sleep(time.Minute); return nil },
		}}
		decision, err = late.Decide(ctx, highRisk())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Equal(t, aureus.Deny, decision.Effect)
		require.Empty(t, decision.ReasonCode)
		require.Zero(t, decision.Approval)
		require.Equal(t, "drop", decision.ActionID)
		require.False(t, decision.ID.IsZero())

		broken := &guard.Local{Approvals: stubApprovals{askErr: errBroken}}
		decision, err = broken.Decide(t.Context(), highRisk())
		require.ErrorIs(t, err, errBroken)
		require.Equal(t, aureus.Deny, decision.Effect)
		require.Equal(t, "agent-1", decision.PrincipalID)
	})
}

// fixedDecider always returns the same decision and error. A nil one panics.
type fixedDecider struct {
	decision aureus.Decision
	err      error
}

func (f *fixedDecider) Decide(context.Context, aureus.Request) (aureus.Decision, error) {
	return f.decision, f.err
}

func brokenBody() *aureus.HTTPCall {
	return &aureus.HTTPCall{Method: "POST", GetBody: func() (aureus.Body, error) { return nil, errBroken }}
}

// setConditionsWithoutJSON sets conditions without a JSON form in the held and the
// required permission.
func setConditionsWithoutJSON(r *aureus.Request) {
	r.Principal.Permissions[0].Conditions = map[string]any{"f": errBroken}
	r.Action.RequiredPermissions[0].Conditions = map[string]any{"f": func() {}}
}
