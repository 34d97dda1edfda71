package aureus_test

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

type members = map[string]any

// over returns the base with changed members; nil removes a member.
func over(base members, changes ...members) members {
	all := maps.Clone(base)
	for _, change := range changes {
		for name, value := range change {
			if value == nil {
				delete(all, name)
			} else {
				all[name] = value
			}
		}
	}
	return all
}

const ticketID = "apr_00000000000000000000000001"

func approvalRef(status string) members {
	return members{"id": ticketID, "status": status, "expires_at": "2026-03-01T13:00:00Z"}
}

// Responses with only the published fields.
var (
	plainAllow = members{"allowed": true, "reason": "r", "requires_human_approval": false}
	plainDeny  = members{"allowed": false, "reason": "r", "requires_human_approval": false}
	plainAsk   = members{"allowed": false, "reason": "r", "requires_human_approval": true}
)

// TestEvaluatePolicy_Response_IsReadOrMalformed has a table of consistent responses and of
// contradictory ones, which are ErrMalformed for EvaluatePolicy and Decide.
func TestEvaluatePolicy_Response_IsReadOrMalformed(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		response members
		want     aureus.Effect
		bad      bool
	}{
		"published allow":                     {response: plainAllow, want: aureus.Allow},
		"published allow with nulls":          {response: over(plainAllow, members{"metadata": members{"a": 1}}), want: aureus.Allow},
		"published denial":                    {response: plainDeny},
		"published, requires approval":        {response: plainAsk, want: aureus.RequireApproval},
		"published ask with a token":          {response: over(plainAsk, members{"approval_token": "approval-delete-1-ab"}), want: aureus.RequireApproval},
		"allow with its effect and code":      {response: over(plainAllow, members{"effect": "allow", "reason_code": "LOW_RISK_ALLOWED", "claimed": true}), want: aureus.Allow},
		"allow with a code that is not known": {response: over(plainAllow, members{"reason_code": "SMALL_AMOUNT", "later": 1}), want: aureus.Allow},
		"allow by an approval":                {response: over(plainAllow, members{"reason_code": "APPROVED", "approval": approvalRef("consumed")}), want: aureus.Allow},
		"ask with its approval":               {response: over(plainAsk, members{"effect": "require_approval", "reason_code": "HIGH_NEEDS_HUMAN_APPROVAL", "approval_token": ticketID, "approval": approvalRef("pending")}), want: aureus.RequireApproval},
		"new approval after one expired":      {response: over(plainAsk, members{"reason_code": "APPROVAL_EXPIRED", "approval_token": ticketID, "approval": approvalRef("pending")}), want: aureus.RequireApproval},
		"denial after a rejection":            {response: over(plainDeny, members{"effect": "deny", "reason_code": "APPROVAL_REJECTED", "approval": approvalRef("rejected")})},
		"denial after the rules changed":      {response: over(plainDeny, members{"reason_code": "APPROVAL_POLICY_CHANGED", "approval": approvalRef("approved")})},

		"allow and ask":                        {response: over(plainAllow, members{"requires_human_approval": true}), bad: true},
		"allow, effect deny":                   {response: over(plainAllow, members{"effect": "deny"}), bad: true},
		"allow, effect require_approval":       {response: over(plainAllow, members{"effect": "require_approval"}), bad: true},
		"allow, unknown effect":                {response: over(plainAllow, members{"effect": "permit"}), bad: true},
		"denial, effect allow":                 {response: over(plainDeny, members{"effect": "allow"}), bad: true},
		"ask, effect allow":                    {response: over(plainAsk, members{"effect": "allow"}), bad: true},
		"allow, approval pending":              {response: over(plainAllow, members{"approval": approvalRef("pending")}), bad: true},
		"allow, approval rejected":             {response: over(plainAllow, members{"approval": approvalRef("rejected")}), bad: true},
		"allow, approval expired":              {response: over(plainAllow, members{"approval": approvalRef("expired")}), bad: true},
		"allow, approval without an id":        {response: over(plainAllow, members{"approval": members{"id": "", "status": "consumed", "expires_at": "t"}}), bad: true},
		"allow, approval of an unknown status": {response: over(plainAllow, members{"approval": approvalRef("granted")}), bad: true},
		"low risk that used an approval":       {response: over(plainAllow, members{"reason_code": "LOW_RISK_ALLOWED", "approval": approvalRef("consumed")}), bad: true},
		"allow, an approval token":             {response: over(plainAllow, members{"approval_token": ticketID}), bad: true},
		"allow, a token of another approval":   {response: over(plainAllow, members{"approval_token": "apr_x", "approval": approvalRef("consumed")}), bad: true},
		"allow, code PERMISSION_DENIED":        {response: over(plainAllow, members{"reason_code": "PERMISSION_DENIED"}), bad: true},
		"allow, code TOOL_REQUIRED":            {response: over(plainAllow, members{"reason_code": "TOOL_REQUIRED"}), bad: true},
		"allow, code INVALID_REQUEST":          {response: over(plainAllow, members{"reason_code": "INVALID_REQUEST"}), bad: true},
		"allow, code APPROVAL_PENDING":         {response: over(plainAllow, members{"reason_code": "APPROVAL_PENDING"}), bad: true},
		"allow, code APPROVAL_REJECTED":        {response: over(plainAllow, members{"reason_code": "APPROVAL_REJECTED"}), bad: true},
		"allow, code of high risk":             {response: over(plainAllow, members{"reason_code": "HIGH_NEEDS_HUMAN_APPROVAL"}), bad: true},
		"allow, a denial's code in lower case": {response: over(plainAllow, members{"reason_code": "permission_denied"}), bad: true},
		"allow, a denial's code with a space":  {response: over(plainAllow, members{"reason_code": " PERMISSION_DENIED"}), bad: true},
		"allow, code STATE_CONFLICT":           {response: over(plainAllow, members{"reason_code": "STATE_CONFLICT"}), bad: true},
		"allow, code RESOURCE_EXHAUSTED":       {response: over(plainAllow, members{"reason_code": "RESOURCE_EXHAUSTED"}), bad: true},
		"allow, code of an overloaded server":  {response: over(plainAllow, members{"reason_code": "OVERLOADED"}), bad: true},
		"allow, code UNAUTHORIZED":             {response: over(plainAllow, members{"reason_code": "UNAUTHORIZED"}), bad: true},
		"allow, an error":                      {response: over(plainAllow, members{"error": "denied"}), bad: true},
		"allow, an error that is false":        {response: over(plainAllow, members{"error": false}), bad: true},
		"allow, a code":                        {response: over(plainAllow, members{"code": "UNDECIDED"}), bad: true},
		"denial, code of an allow":             {response: over(plainDeny, members{"reason_code": "APPROVED"}), bad: true},
		"denial, a token":                      {response: over(plainDeny, members{"approval_token": ticketID}), bad: true},
		"denial, a code of asking":             {response: over(plainDeny, members{"reason_code": "CRITICAL_NEEDS_HUMAN_APPROVAL"}), bad: true},
		"ask, code of an allow":                {response: over(plainAsk, members{"reason_code": "LOW_RISK_ALLOWED"}), bad: true},
		"ask, code of a denial":                {response: over(plainAsk, members{"reason_code": "PERMISSION_DENIED"}), bad: true},
		"ask, approval rejected":               {response: over(plainAsk, members{"approval": approvalRef("rejected")}), bad: true},
		"ask, a token of another approval":     {response: over(plainAsk, members{"approval_token": "apr_x", "approval": approvalRef("pending")}), bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			body := marshal(t, row.response)
			client := newClient(t, record(t, jsonResponse(200, body)).URL)
			response, err := client.EvaluatePolicy(t.Context(), aureus.PolicyContext{})
			decision, decideErr := client.Decide(t.Context(), plainRequest())
			if row.bad {
				require.ErrorIs(t, err, aureus.ErrMalformed)
				require.ErrorIs(t, decideErr, aureus.ErrMalformed)
				require.Zero(t, response)
				require.Zero(t, decision)
				return
			}
			require.NoError(t, err)
			require.NoError(t, decideErr)
			require.Equal(t, row.want, decision.Effect)
		})
	}
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := strictjson.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

// consequential lists the calls whose response can allow something, each with a valid
// response.
func consequential(t *testing.T) map[string]struct {
	good members
	call func(ctx context.Context, c *aureus.Client) (yes bool, err error)
} {
	t.Helper()
	digest, decision := aureus.Digest{1}, aureus.NewDecisionID(time.Now())
	request := plainRequest()
	approval := func(status string) members {
		a := aureus.Approval{
			ID: ticketID, Status: aureus.ApprovalStatus(status), Principal: request.Principal, Action: request.Action, RiskTier: aureus.TierHigh, ActionDigest: digest,
			Quorum: aureus.Quorum{Needed: 2}, Decisions: []aureus.ApprovalDecision{},
		}
		if status == "approved" || status == "consumed" {
			a.Quorum.Have = 2
			a.Decisions = []aureus.ApprovalDecision{{By: "olga", At: "t", Verdict: "approve"}, {By: "otto", At: "t", Verdict: "approve"}}
		}
		if status == "consumed" {
			a.ConsumedBy = decision
		}
		var object members
		require.NoError(t, strictjson.Unmarshal([]byte(marshal(t, a)), &object))
		return object
	}
	use := aureus.ApprovalUse{PrincipalID: request.Principal.ID, ActionDigest: digest, DecisionID: decision}
	one := 0.9
	type row = struct {
		good members
		call func(ctx context.Context, c *aureus.Client) (yes bool, err error)
	}
	return map[string]row{
		"evaluate": {plainAllow, func(ctx context.Context, c *aureus.Client) (bool, error) {
			d, err := c.Decide(ctx, request)
			return d.Effect == aureus.Allow, err
		}},
		"check": {members{"allowed": true, "has_permission": true, "requires_human_approval": false, "reason": "r"}, func(ctx context.Context, c *aureus.Client) (bool, error) {
			return c.CheckPermission(ctx, request.Principal, request.Action)
		}},
		"request approval": {members{"approval_token": ticketID, "approval": approval("pending"), "joined": false}, func(ctx context.Context, c *aureus.Client) (bool, error) {
			ticket, err := c.RequestApproval(ctx, request.Action, request.Principal, "r")
			return ticket != "", err
		}},
		"ask": {members{"approval_token": ticketID, "approval": approval("approved"), "joined": true}, func(ctx context.Context, c *aureus.Client) (bool, error) {
			ticket, err := c.AskApproval(ctx, aureus.ApprovalAsk{Request: request, Digest: digest})
			return ticket.Approval.Status == aureus.ApprovalApproved, err
		}},
		"approval": {approval("approved"), func(ctx context.Context, c *aureus.Client) (bool, error) {
			a, err := c.Approval(ctx, ticketID)
			return a.Status == aureus.ApprovalApproved, err
		}},
		"approve": {approval("approved"), func(ctx context.Context, c *aureus.Client) (bool, error) {
			a, err := c.Approve(ctx, ticketID, digest, "")
			return a.Status == aureus.ApprovalApproved, err
		}},
		"consume": {approval("consumed"), func(ctx context.Context, c *aureus.Client) (bool, error) {
			err := c.ConsumeApproval(ctx, ticketID, use)
			return err == nil, err
		}},
		"validate": {
			members{"passed": true, "gate_name": "g", "validation_results": []any{members{"valid": true, "confidence": 0.95}}, "blocked_commit": false, "timestamp": "t", "crv_status": "passed"},
			func(ctx context.Context, c *aureus.Client) (bool, error) {
				g, err := c.ValidateCommit(ctx, aureus.Commit{ID: "c", Data: 1}, aureus.GateConfig{Name: "g", Validators: []string{"v"}, RequiredConfidence: &one})
				return g.Passed, err
			},
		},
	}
}

// TestResponses_Contradictions_AreMalformed changes one member of a valid response at a
// time.
func TestResponses_Contradictions_AreMalformed(t *testing.T) {
	t.Parallel()
	quorum := func(needed, have int) members { return members{"needed": needed, "have": have} }
	verdicts := func(words ...string) []any {
		list := []any{}
		for _, word := range words {
			list = append(list, members{"by": word, "at": "t", "verdict": word})
		}
		return list
	}
	other := aureus.NewDecisionID(time.Now().Add(time.Hour)).String()
	byCall := map[string]map[string]members{
		"check": {
			"a person is needed": {"requires_human_approval": true}, "no permission": {"has_permission": false}, "effect deny": {"effect": "deny"},
			"a denial's code": {"reason_code": "TOOL_NOT_ALLOWED"}, "a token": {"approval_token": ticketID},
			"an approval that was rejected": {"approval": approvalRef("rejected")}, "an approval that is pending": {"approval": approvalRef("pending")},
		},
		"request approval": {"a token of another approval": {"approval_token": "apr_x"}},
		"ask": {
			"new, and approved already": {"joined": false}, "a token of another approval": {"approval_token": "apr_x"},
		},
		"approval": {
			"too few have approved": {"quorum": quorum(2, 1)}, "counted twice": {"decisions": verdicts("approve")}, "one has rejected": {"decisions": verdicts("approve", "approve", "reject")},
			"an unknown verdict": {"decisions": verdicts("approve", "approve", "abstain")}, "it was used": {"consumed_by": other}, "a negative quorum": {"quorum": quorum(-1, 0)},
			"pending, and decided": {"status": "pending"},
		},
		"approve": {
			"another digest": {"action_digest": aureus.Digest{9}.String()}, "it was rejected": {"status": "rejected"}, "too few have approved": {"quorum": quorum(3, 2)},
		},
		"consume": {
			"by another decision": {"consumed_by": other}, "too few have approved": {"quorum": quorum(2, 0)}, "rejected by one": {"decisions": verdicts("approve", "approve", "reject")},
			"another digest": {"action_digest": aureus.Digest{9}.String()}, "still approved": {"status": "approved", "consumed_by": nil},
			"another principal's": {"principal": members{"id": "agent-2", "type": "agent", "permissions": []any{}}},
		},
		"validate": {
			"blocked": {"blocked_commit": true}, "status blocked": {"crv_status": "blocked"}, "status warning": {"crv_status": "warning"}, "not passed, status passed": {"passed": false},
			"an invalid result": {"validation_results": []any{members{"valid": true}, members{"valid": false}}}, "a failure": {"failure_code": "TOOL_ERROR"},
			"below the confidence": {"validation_results": []any{members{"valid": true, "confidence": 0.5}}},
			"warning, and blocked": {"passed": false, "crv_status": "warning", "blocked_commit": true},
		},
	}
	for name, row := range consequential(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			yes, err := row.call(t.Context(), newClient(t, record(t, jsonResponse(200, marshal(t, row.good))).URL))
			require.NoError(t, err, "the unchanged response is valid")
			require.True(t, yes)

			changes := map[string]members{"an error": {"error": "no"}, "a code": {"code": "STATE_CONFLICT"}}
			maps.Copy(changes, byCall[name])
			for what, change := range changes {
				client := newClient(t, record(t, jsonResponse(200, marshal(t, over(row.good, change)))).URL)
				yes, err := row.call(t.Context(), client)
				require.ErrorIs(t, err, aureus.ErrMalformed, what)
				require.False(t, yes, what)
			}
		})
	}
}

// TestResponses_OtherForms_AreMalformed sends valid bodies with other statuses and content
// types.
func TestResponses_OtherForms_AreMalformed(t *testing.T) {
	t.Parallel()
	for name, row := range consequential(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			response := func(status int, kinds ...string) (bool, error) {
				client := newClient(t, record(t, func(w http.ResponseWriter, _ *http.Request) {
					w.Header()["Content-Type"] = kinds
					w.WriteHeader(status)
					_, _ = w.Write([]byte(marshal(t, row.good)))
				}).URL)
				return row.call(t.Context(), client)
			}
			for _, kind := range []string{"application/json", "application/json; charset=utf-8", `application/json;charset="UTF-8"`} {
				yes, err := response(200, kind)
				require.NoError(t, err, kind)
				require.True(t, yes)
			}
			for _, status := range []int{202, 203, 206, 207, 226, 299} {
				yes, err := response(status, "application/json")
				require.ErrorIs(t, err, aureus.ErrMalformed, "%d", status)
				require.False(t, yes)
			}
			for _, kinds := range [][]string{
				{"application/problem+json"},
				{"application/json; charset=utf-16"},
				{"application/json; charset=iso-8859-1"},
				{"application/json; charset=utf-7"},
				{"application/vnd.api+json"},
				{"text/json"},
				{"text/html"},
				{"application/json", "text/html"},
				{"application/jso"},
				{"application/json; charset"},
			} {
				yes, err := response(200, kinds...)
				require.ErrorIs(t, err, aureus.ErrMalformed, "%q", kinds)
				require.False(t, yes)
			}
		})
	}
}
