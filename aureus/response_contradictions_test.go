package aureus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The caller carries out the request after this response, so it must be about this
// approval and this decision.
func TestConsumeApproval_OtherApprovalInResponse_IsMalformed(t *testing.T) {
	digest := aureus.Digest{1}
	decision, another := aureus.NewDecisionID(time.Now()), aureus.NewDecisionID(time.Now())
	id, other := idtext.Approval([16]byte{1}), idtext.Approval([16]byte{2})
	spent := aureus.Approval{ID: id, Status: aureus.ApprovalConsumed, Action: aureus.Action{RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh, ActionDigest: digest, ConsumedBy: decision}
	for name, row := range map[string]struct {
		change func(*aureus.Approval)
		want   string // part of the error; empty without an error
	}{
		"spent":                         {func(*aureus.Approval) {}, ""},
		"consumed, without consumed_by": {func(a *aureus.Approval) { a.ConsumedBy = aureus.DecisionID{} }, ""},
		"still approved":                {func(a *aureus.Approval) { a.Status, a.ConsumedBy = aureus.ApprovalApproved, aureus.DecisionID{} }, "not consumed"},
		"rejected":                      {func(a *aureus.Approval) { a.Status = aureus.ApprovalRejected }, "not consumed"},
		"another one":                   {func(a *aureus.Approval) { a.ID = other }, "another approval"},
		"another digest":                {func(a *aureus.Approval) { a.ActionDigest = aureus.Digest{2} }, "another digest"},
		"no digest":                     {func(a *aureus.Approval) { a.ActionDigest = aureus.Digest{} }, "another digest"},
		"another decision":              {func(a *aureus.Approval) { a.ConsumedBy = another }, "another decision"},
	} {
		t.Run(name, func(t *testing.T) {
			response := spent
			row.change(&response)
			text, err := strictjson.Marshal(response)
			require.NoError(t, err)
			client := newClient(t, record(t, jsonResponse(200, string(text))).URL)
			err = client.ConsumeApproval(t.Context(), id, aureus.ApprovalUse{PrincipalID: "p", ActionDigest: digest, DecisionID: decision})
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, aureus.ErrMalformed)
			require.ErrorContains(t, err, row.want)
		})
	}
}

func TestValidateCommit_ContradictoryResult_IsMalformed(t *testing.T) {
	const passed = `{"passed":true,"gate_name":"g","validation_results":[{"valid":true}],"blocked_commit":false,"timestamp":"t","crv_status":"passed"}`
	for name, text := range map[string]string{
		"blocked":                 strings.Replace(passed, `"blocked_commit":false`, `"blocked_commit":true`, 1),
		"status blocked":          strings.Replace(passed, `"crv_status":"passed"`, `"crv_status":"blocked"`, 1),
		"status warning":          strings.Replace(passed, `"crv_status":"passed"`, `"crv_status":"warning"`, 1),
		"an invalid result":       strings.Replace(passed, `[{"valid":true}]`, `[{"valid":true},{"valid":false}]`, 1),
		"an unknown failure code": strings.Replace(passed, `{"valid":true}`, `{"valid":true,"failure_code":"SOMETHING"}`, 1),
	} {
		result, err := newClient(t, record(t, jsonResponse(200, text)).URL).ValidateCommit(t.Context(), aureus.Commit{}, aureus.GateConfig{})
		require.ErrorIs(t, err, aureus.ErrMalformed, name)
		require.Equal(t, aureus.GateResult{}, result, name)
	}
	result, err := newClient(t, record(t, jsonResponse(200, passed)).URL).ValidateCommit(t.Context(), aureus.Commit{}, aureus.GateConfig{})
	require.NoError(t, err)
	require.True(t, result.Passed)
}
