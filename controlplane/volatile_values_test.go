package controlplane_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard"
)

func leaving(open ...string) func(*controlplane.Config) {
	return func(c *controlplane.Config) { c.Volatile = open }
}

// A caller cannot choose which values an approval does not bind, on any of the paths
// that request a decision or an approval.
func TestVolatile_NotAllowedByTheOperator_IsRefused(t *testing.T) {
	t.Parallel()
	for name, allowed := range map[string][]string{"none is allowed": nil, "another one": {"/arguments/attempt"}} {
		t.Run(name, func(t *testing.T) {
			srv := open(t, leaving(allowed...))
			for _, tier := range []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierHigh} {
				request := transfer(tier, 500)
				request.Volatile = []string{"/arguments/amount"}
				decision, err := srv.Client().Decide(t.Context(), request)
				require.NoError(t, err)
				require.Equal(t, aureus.Deny, decision.Effect)
				require.Equal(t, aureus.ReasonInvalidRequest, decision.ReasonCode)

				_, err = srv.Client().AskApproval(t.Context(), aureus.ApprovalAsk{Request: request, Reason: "please"})
				require.ErrorIs(t, err, aureus.ErrInvalid)
				require.ErrorContains(t, err, "--volatile")
			}
			request := transfer(aureus.TierHigh, 500)
			request.Volatile = []string{"/arguments/amount"}
			local := &guard.Local{Approvals: srv.Client(), Volatile: request.Volatile}
			decision, err := local.Decide(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, aureus.ReasonInvalidRequest, decision.ReasonCode, "the list of the local decider allows it, the list of the control plane does not")
			require.Empty(t, mustList(t, srv.Client()))
		})
	}
}

// The approval lists the volatile values in may_change, with the values of the request
// that opened it.
func TestVolatile_AllowedByTheOperator_IsShownAsWhatMayChange(t *testing.T) {
	t.Parallel()
	srv := open(t, leaving("/arguments/attempt", "/metadata/trace", "/arguments/password", "/arguments/list"))
	request := transfer(aureus.TierHigh, 500)
	request.Arguments = map[string]any{"amount": 500, "attempt": 1, "password": "hunter2", "list": []any{"a", "b"}}
	request.Action.Metadata = map[string]any{"trace": strings.Repeat("x", 2000)}
	request.Volatile = []string{"/arguments/attempt", "/metadata/trace", "/arguments/password", "/arguments/list", "/arguments/list/1", "/arguments/list/9"}
	first, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	shown, err := srv.Operator("olga").Approval(t.Context(), first.Approval.ID)
	require.NoError(t, err)
	arguments, _ := shown.Arguments.(map[string]any)
	require.Equal(t, []aureus.MayChange{
		{Pointer: "/arguments/attempt", Value: json.Number("1")},
		{Pointer: "/metadata/trace", Value: strings.Repeat("x", 1024) + "…"},
		{Pointer: "/arguments/password", Value: arguments["password"]},
		{Pointer: "/arguments/list"},
		{Pointer: "/arguments/list/1", Value: "b"},
		{Pointer: "/arguments/list/9"},
	}, shown.MayChange)
	require.NotContains(t, mustMarshal(t, shown), "hunter2")

	request.Arguments = map[string]any{"amount": 500, "attempt": 2, "password": "other", "list": []any{"c", "d"}}
	again, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, first.Approval.ID, again.Approval.ID, "a request with another volatile value has the same digest")
	request.Arguments = map[string]any{"amount": 501, "attempt": 2, "password": "other", "list": []any{"c", "d"}}
	other, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.NotEqual(t, first.Approval.ID, other.Approval.ID)
}

func TestConfig_Volatile_RefusesWhatAllowsTooMuch(t *testing.T) {
	t.Parallel()
	for _, pointers := range [][]string{{"/arguments"}, {"/metadata"}, {""}, {"arguments/x"}, {"/metadata/mcpActionName"}, {"/action/id"}, make([]string, 101)} {
		_, err := controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true, Volatile: pointers})
		require.ErrorContains(t, err, "Volatile")
	}
}
