package controlplane_test

import (
	"maps"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// askBody is a request for an approval with the members that a local decider adds.
func askBody(more map[string]any) map[string]any {
	body := map[string]any{
		"principal": map[string]any{"id": "agent-1", "type": "agent", "permissions": []any{}},
		"action":    map[string]any{"id": "transfer", "name": "Transfer", "risk_tier": "high", "required_permissions": []any{}},
		"reason":    "please", "policy_version": "rules/1", "rule": "risk_tier", "reason_code": "HIGH_NEEDS_HUMAN_APPROVAL",
	}
	maps.Copy(body, more)
	return body
}

// What a local decider says about its decision is shown to the approver and written to
// the audit log, so it must be valid, printable, and a reason to require approval.
func TestAskApproval_WhatTheDeciderSays_IsChecked(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleService, "service")
	ask := func(more map[string]any) answer {
		return raw{path: "/api/v1/policy/approval", key: key, body: mustMarshal(t, askBody(more))}.do(t, srv)
	}
	for name, row := range map[string]struct {
		pointer string
		said    map[string]any
	}{
		"the code of an approval that was used":    {"/reason_code", map[string]any{"reason_code": "APPROVED"}},
		"the code of an allow":                     {"/reason_code", map[string]any{"reason_code": "LOW_RISK_ALLOWED"}},
		"the code of a denial":                     {"/reason_code", map[string]any{"reason_code": "PERMISSION_DENIED"}},
		"the code of another tier":                 {"/reason_code", map[string]any{"reason_code": "CRITICAL_NEEDS_HUMAN_APPROVAL"}},
		"a known code in another case":             {"/reason_code", map[string]any{"reason_code": "Approved"}},
		"a code with a bidi mark":                  {"/reason_code", map[string]any{"reason_code": "X\u202e"}},
		"a rule with a bidi mark":                  {"/rule", map[string]any{"rule": "risk\u202etier"}},
		"a rule with a line feed":                  {"/rule", map[string]any{"rule": "risk\ntier"}},
		"a policy version with a zero width space": {"/policy_version", map[string]any{"policy_version": "rules\u200b/1"}},
		"a policy version with a space at the end": {"/policy_version", map[string]any{"policy_version": "rules/1 "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ask(row.said).refusal(t, 422, "VALIDATION_ERROR")
			details, _ := got["details"].([]any)
			require.Len(t, details, 1, got)
			require.Equal(t, row.pointer, details[0].(map[string]any)["pointer"], got)
		})
	}
	for _, code := range []any{"HIGH_NEEDS_HUMAN_APPROVAL", "APPROVAL_EXPIRED", "LARGE_AMOUNT", nil} {
		require.Equal(t, 200, ask(map[string]any{"reason_code": code}).status, code)
	}
}

// The decision that requests or consumes an approval must belong to the caller's
// subject, if the server knows the decision.
func TestApproval_DecisionOfAnotherSubject_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key, other := newKey(t, srv, controlplane.RoleService, "service"), newKey(t, srv, controlplane.RoleService, "other")
	operator := client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	foreign, err := client(t, srv, other).Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	raw{path: "/api/v1/policy/approval", key: key, body: mustMarshal(t, askBody(map[string]any{"decision_id": foreign.ID}))}.do(t, srv).refusal(t, 403, "PERMISSION_DENIED")

	own, err := client(t, srv, key).Decide(t.Context(), transfer(aureus.TierHigh, 1))
	require.NoError(t, err)
	_, err = operator.Approve(t.Context(), own.Approval.ID, own.Digest, "")
	require.NoError(t, err)
	use := func(id aureus.DecisionID) answer {
		return raw{path: "/api/v1/policy/approvals/" + own.Approval.ID + "/consume", key: key, body: mustMarshal(t, map[string]any{
			"principal_id": "agent-1", "action_digest": own.Digest, "decision_id": id,
		})}.do(t, srv)
	}
	use(foreign.ID).refusal(t, 403, "PERMISSION_DENIED")
	require.Equal(t, 200, use(aureus.NewDecisionID(foreign.ID.Time())).status)
	for _, entry := range collectAudit(t, operator) {
		if entry.DecisionID == foreign.ID {
			require.Equal(t, "other", entry.By, entry.Kind)
		}
	}
}

// A key can consume an approval only if it may speak for its principal, even if another
// key of its subject requested it.
func TestConsumeApproval_KeyThatMayNotSpeakForIt_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	asker := newKey(t, srv, controlplane.RoleService, "service")
	narrow := func(speaksFor ...string) string {
		return newKey(t, srv, controlplane.RoleService, "service", func(k *controlplane.Key) { k.SpeaksFor = speaksFor })
	}
	request := transfer(aureus.TierHigh, 1)
	request.OnBehalfOf = "carol"
	asked, err := client(t, srv, asker).Decide(t.Context(), request)
	require.NoError(t, err)
	_, err = client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")).Approve(t.Context(), asked.Approval.ID, asked.Digest, "")
	require.NoError(t, err)
	use := func(key string) answer {
		return raw{path: "/api/v1/policy/approvals/" + asked.Approval.ID + "/consume", key: key, body: mustMarshal(t, map[string]any{
			"principal_id": "agent-1", "action_digest": asked.Digest, "decision_id": aureus.NewDecisionID(asked.ID.Time()),
		})}.do(t, srv)
	}
	for _, speaksFor := range [][]string{nil, {"agent-1"}, {"carol"}, {"agent-2", "carol"}} {
		use(narrow(speaksFor...)).refusal(t, 403, "PERMISSION_DENIED")
	}
	require.Equal(t, 200, use(narrow("agent-1", "carol")).status)
}
