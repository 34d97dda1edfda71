package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// stricter is a new version in which tellers pay until 18:00 only, every transfer needs a
// person, and guests read accounts.
func stricter(t *testing.T) string {
	t.Helper()
	return edited(t,
		"version: 3", "version: 4",
		"    tier: medium\n", "    tier: high\n",
		"want: allow}", "want: require_approval}",
		`"guest-*": {roles: []}`, `"guest-*": {roles: [teller]}`,
		"arguments: {amount: 5, to: acme}, want: deny, code: PERMISSION_DENIED}", "arguments: {amount: 5, to: acme}, want: require_approval}",
		"  account.read:", "  account.close: {tier: high, requires: []}\n  account.read:",
		"  - {id: hourly, actions: [transfer.make], window: 1h, sum: arguments.amount, limit: 5000}", "  - {id: hourly, actions: [transfer.make], window: 2h, limit: 20}",
	)
}

func TestPolicyDiff_ChangedBundle_ListsTheChanges(t *testing.T) {
	got := runPolicy(t, "diff", transfers, stricter(t))
	require.Zero(t, got.code, got.stderr)
	golden(t, "diff.txt", got.stdout)

	got = runPolicy(t, "diff", transfers, transfers)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "transfers/3 → transfers/3: 0 changes\n")
}

func TestPolicyDiff_AgainstALog_ListsEachFlip(t *testing.T) {
	next := stricter(t)
	got := runPolicy(t, "diff", transfers, next, "--against", "testdata/audit.jsonl")
	require.Zero(t, got.code, got.stderr)
	golden(t, "diff-against.txt", got.stdout)

	got = runPolicy(t, "diff", transfers, next, "--against", "testdata/audit.jsonl", "--fail-on-flip")
	require.Equal(t, 1, got.code)
	require.Equal(t, "aureus: 3 of 8 recorded decisions have another effect by transfers/4\n", got.stderr)

	var result comparison
	runPolicy(t, "diff", transfers, next, "--against", "testdata/audit.jsonl", "--output", "json").line(t, &result)
	require.Equal(t, 8, result.Replay.Decisions)
	require.Equal(t, 8, result.Replay.Flips+result.Replay.Unchanged+result.Replay.NotReplayed)
	require.Len(t, result.Replay.Flipped, 3)
	require.Equal(t, outcome{Effect: "allow", ReasonCode: "MEDIUM_RISK_ALLOWED_WITH_MONITORING", Rule: "risk_tier", Recorded: true}, result.Replay.Flipped[0].Old)
}

// A change that does not concern an action needs none of what the log lacks.
func TestPolicyDiff_OtherAction_IsReplayedWithoutArguments(t *testing.T) {
	next := edited(t, "version: 3", "version: 4", "  account.read:", "  account.close: {tier: low, requires: []}\n  account.read:")
	var result comparison
	runPolicy(t, "diff", transfers, next, "--against", "testdata/audit.jsonl", "--fail-on-flip=false", "--output", "json").line(t, &result)
	require.Zero(t, result.Replay.NotReplayed)
	require.Equal(t, 7, result.Replay.Unchanged)
	require.Equal(t, "account.close", result.Replay.Flipped[0].Action)
}

func TestPolicyDiff_InvalidArguments_AreRefused(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"one file":            {[]string{"diff", transfers}, 2, "the argument NEW is missing"},
		"no log":              {[]string{"diff", transfers, transfers, "--fail-on-flip"}, 1, "--fail-on-flip needs --against"},
		"an empty log's name": {[]string{"diff", transfers, transfers, "--against", ""}, 1, "--against must name a file"},
		"a missing log":       {[]string{"diff", transfers, transfers, "--against", "missing.jsonl"}, 1, "missing.jsonl"},
		"a log that is none":  {[]string{"diff", transfers, transfers, "--against", transfers}, 1, "line 1 is not an entry of an audit log"},
		"a broken bundle":     {[]string{"diff", transfers, edited(t, "tier: low", "tier: lowest")}, 1, "edited.yaml: policy: the bundle has 1 problem"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runPolicy(t, row.args...)
			require.Equal(t, row.code, got.code, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, row.says)
		})
	}
}
