package policy_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard/policy"
)

// What changes between the request and the use of its approval is checked again when it
// is used, and the approval is not used by a request that is refused.
func TestDecide_ChangedAfterApproval_IsRefusedAndTheApprovalIsNotUsed(t *testing.T) {
	crate := func(id string) aureus.Request { return ask("ann", "big.move", object{"id": id, "weight": 5}) }
	for name, test := range map[string]struct {
		change func(t *testing.T, srv *aureustest.Server, engine *policy.Engine)
		effect aureus.Effect
		code   aureus.ReasonCode
	}{
		"a rule refuses it": {
			func(t *testing.T, _ *aureustest.Server, engine *policy.Engine) {
				t.Helper()
				require.NoError(t, engine.Replace(askingBundle(t, "2", "arguments.weight > 1.0")))
			}, aureus.Deny, aureus.ReasonRuleDenied,
		},
		"the policy of the action is another one": {
			func(t *testing.T, _ *aureustest.Server, engine *policy.Engine) {
				t.Helper()
				require.NoError(t, engine.Replace(askingBundle(t, "2", "arguments.weight > 50.0")))
			}, aureus.RequireApproval, aureus.ReasonHighRisk,
		},
		"the permission is gone": {
			func(t *testing.T, _ *aureustest.Server, engine *policy.Engine) {
				t.Helper()
				text := strings.NewReplacer("VERSION", "2", "GRANT", `{action: move, resource: "boxes/*"}`, "RULE", heavy).Replace(asking)
				require.NoError(t, engine.Replace(parse(t, text)))
			}, aureus.Deny, aureus.ReasonPermissionDenied,
		},
		"a stop forbids it": {
			func(_ *testing.T, _ *aureustest.Server, engine *policy.Engine) {
				engine.SetStops([]policy.Stop{{Scope: "action:big.*"}})
			}, aureus.Deny, aureus.ReasonStopped,
		},
		"the budget is used up": {
			func(t *testing.T, srv *aureustest.Server, engine *policy.Engine) {
				t.Helper()
				for _, id := range []string{"8", "9"} {
					srv.Approve(decide(t, engine, crate(id)).Approval.ID)
					require.Equal(t, aureus.Allow, decide(t, engine, crate(id)).Effect)
				}
			}, aureus.Deny, aureus.ReasonBudgetExceeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := aureustest.New(t)
			engine := newEngine(t, askingBundle(t, "1", heavy), policy.Config{Approvals: srv.Client()})
			first := decide(t, engine, crate("7"))
			srv.Approve(first.Approval.ID)

			test.change(t, srv, engine)
			second := decide(t, engine, crate("7"))

			require.Equal(t, test.effect, second.Effect)
			require.Equal(t, test.code, second.ReasonCode, second.Reason)
			require.NotEqual(t, first.Approval.ID, second.Approval.ID)
			approval, err := srv.Client().Approval(t.Context(), first.Approval.ID)
			require.NoError(t, err)
			require.Equal(t, aureus.ApprovalApproved, approval.Status)
		})
	}
}
