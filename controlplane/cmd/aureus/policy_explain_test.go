package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func TestPolicyExplain_DeniedRequest_ShowsEachPart(t *testing.T) {
	got := runPolicy(t, "explain", transfers, "--principal", "guest-1", "--claims", `{"groups": ["auditors"]}`, "--tool", "make_transfer",
		"--arguments", `{"amount": 6000, "to": "guest-1"}`, "--at", "2026-11-30T03:00:00+01:00")
	require.Zero(t, got.code, got.stderr)
	golden(t, "explain-denied.txt", got.stdout)
}

func TestPolicyExplain_AllowedRequest_HasNoObstacles(t *testing.T) {
	got := runPolicy(t, "explain", transfers, "--test", "a teller pays")
	require.Zero(t, got.code, got.stderr)
	golden(t, "explain-allowed.txt", got.stdout)
}

// The request may be a file in the form of the API, and a bundle whose tests fail is
// explained too.
func TestPolicyExplain_RequestFile_IsDecided(t *testing.T) {
	file := filepath.Join(t.TempDir(), "request.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"principal": {"id": "teller-7", "type": "agent", "permissions": []}, "route": "GET /accounts/{id}",
		"action": {"id": "", "name": "", "risk_tier": "critical", "required_permissions": []}, "no_risk_tier": true, "current_state": "idle", "audit_log": [],
		"arguments": {"id": "teller-7"}}`), 0o600))
	var explanation struct {
		Effect, Action string
		Considered     []struct{ Kind, Name string }
	}
	got := runPolicy(t, "explain", edited(t, "want: allow", "want: deny"), "--request", file, "--output", "json")
	got.line(t, &map[string]any{})
	unmarshal(t, got.stdout, &explanation)
	require.Equal(t, aureus.Allow.String(), explanation.Effect)
	require.Equal(t, "account.read", explanation.Action)
	require.NotEmpty(t, explanation.Considered)

	require.NoError(t, os.WriteFile(file, []byte(`{"principal": 7}`), 0o600))
	got = runPolicy(t, "explain", transfers, "--request", file)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "/principal")
}

func TestPolicyExplain_UsedBudget_HasNoRoom(t *testing.T) {
	request := []string{"explain", transfers, "--principal", "teller-7", "--action", "transfer.make", "--arguments", `{"amount": 500, "to": "acme"}`, "--at", "2026-12-01T12:00:00Z"}
	got := runPolicy(t, request...)
	require.Contains(t, got.stdout, "ALLOW: ")
	got = runPolicy(t, append(request, "--used", "hourly=4500.5")...)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "DENY: BUDGET_EXCEEDED by hourly\n")
	require.Contains(t, got.stdout, `needs 500 of the 5000 that "teller-7" may use in 1h, of which 4500.5 is used`)

	got = runPolicy(t, "explain", transfers, "--test", "a teller pays", "--used", "hourly=5000")
	require.Contains(t, got.stdout, "DENY: BUDGET_EXCEEDED by hourly\n")
	for says, used := range map[string]string{`has no budget named "daily"`: "daily=1", "the amount is negative": "hourly=-1"} {
		got = runPolicy(t, "explain", transfers, "--test", "a teller pays", "--used", used)
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stderr, says)
	}
	got = runPolicy(t, "explain", transfers, "--test", "a teller pays", "--used", "hourly")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stderr, "such as hourly=4500")
}
