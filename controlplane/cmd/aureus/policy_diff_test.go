package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
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

// The export of a server is the log that diff reads.
func TestPolicyDiff_ExportOfAServer_IsReplayed(t *testing.T) {
	server := startPolicyServer(t)
	require.Zero(t, server.run(t, "push", transfers).code)
	client := clientFor(t, server.url, server.key)
	for _, request := range []aureus.Request{
		{Principal: aureus.Principal{ID: "teller-7"}, Action: aureus.Action{ID: "account.read"}, Arguments: map[string]any{"id": "teller-7"}},
		{Principal: aureus.Principal{ID: "guest-1"}, Action: aureus.Action{ID: "transfer.make"}},
		{Principal: aureus.Principal{ID: "teller-7"}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"amount": 5, "to": "acme"}},
	} {
		_, err := client.Decide(t.Context(), request)
		require.NoError(t, err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/api/v1/audit/export", nil)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+server.key)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	log := filepath.Join(t.TempDir(), "audit.jsonl")
	require.NoError(t, os.WriteFile(log, text, 0o600))

	var result comparison
	next := edited(t, "version: 3", "version: 4", "    tier: medium\n", "    tier: critical\n", "want: allow}", "want: require_approval}", "      - {when: \"arguments.amount > 1000\", tier: high}\n", "      - {when: \"principal.id == 'x'\", tier: high}\n")
	runPolicy(t, "diff", transfers, next, "--against", log, "--output", "json").line(t, &result)
	require.Equal(t, 3, result.Replay.Decisions)
	require.Equal(t, 1, result.Replay.Unchanged, "the read does not change")
	require.Equal(t, []any{1, "transfer.make", []string{"claims.groups"}, 1}, []any{len(result.Replay.Lacking), result.Replay.Lacking[0].Action, result.Replay.Lacking[0].Missing, result.Replay.Lacking[0].Count}, "the guest may have had the role by its claims")
	require.Len(t, result.Replay.Flipped, 1)
	require.Equal(t, []string{"teller-7", "allow", "require_approval"}, []string{result.Replay.Flipped[0].Principal, result.Replay.Flipped[0].Old.Effect, result.Replay.Flipped[0].New.Effect})
	server.stop(t, syscall.SIGTERM)
}

// Recorded inputs decide what the rest of the log leaves open, and what was recorded
// without its value is named.
func TestPolicyDiff_RecordedInputs_AreReplayed(t *testing.T) {
	server := startPolicyServer(t, "--record-inputs", "arguments.amount,claims.groups")
	require.Zero(t, server.run(t, "push", transfers).code)
	client := clientFor(t, server.url, server.key)
	pay := func(id string, amount float64, claims map[string]any) {
		_, err := client.Decide(t.Context(), aureus.Request{
			Principal: aureus.Principal{ID: id, Claims: claims}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"amount": amount, "to": "acme"},
		})
		require.NoError(t, err)
	}
	pay("teller-7", 100, nil)
	pay("teller-7", 500, nil)
	pay("guest-1", 100, map[string]any{"groups": []any{"tellers"}})
	pay("guest-1", 100, map[string]any{"groups": []any{"visitors"}})
	_, err := client.Decide(t.Context(), aureus.Request{Principal: aureus.Principal{ID: "teller-7"}, Action: aureus.Action{ID: "account.read"}, Arguments: map[string]any{"id": "teller-7"}})
	require.NoError(t, err)
	log := func(query string) string {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.url+"/api/v1/audit/export"+query, nil)
		require.NoError(t, err)
		request.Header.Set("Authorization", "Bearer "+server.key)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		file := filepath.Join(t.TempDir(), "audit.jsonl")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		return file
	}
	next := edited(t, "version: 3", "version: 4", "arguments.amount > 1000\"", "arguments.amount > 200\"", "when: \"'tellers' in claims.groups\"", "when: \"'tellers' in claims.groups || 'visitors' in claims.groups\"", `"resource.owner == principal.id"`, `"resource.owner != principal.id"`)

	var result comparison
	runPolicy(t, "diff", transfers, next, "--against", log("?inputs=true"), "--output", "json").line(t, &result)
	require.Equal(t, 5, result.Replay.WithInputs)
	require.Len(t, result.Replay.Flipped, 2)
	require.Equal(t, []string{"teller-7", "allow", "require_approval"}, []string{result.Replay.Flipped[0].Principal, result.Replay.Flipped[0].Old.Effect, result.Replay.Flipped[0].New.Effect})
	require.Equal(t, []string{"guest-1", "deny", "allow"}, []string{result.Replay.Flipped[1].Principal, result.Replay.Flipped[1].Old.Effect, result.Replay.Flipped[1].New.Effect})
	require.Equal(t, 2, result.Replay.Unchanged)
	require.Len(t, result.Replay.Lacking, 1)
	lacks := result.Replay.Lacking[0]
	require.Equal(t, []any{"account.read", []string{"arguments.id"}, []string{"arguments.id"}}, []any{lacks.Action, lacks.Missing, lacks.Withheld})
	require.Len(t, lacks.Sequences, 1)
	got := runPolicy(t, "diff", transfers, next, "--against", log("?inputs=true"))
	require.Contains(t, got.stdout, "arguments.id (recorded without its value)")

	got = runPolicy(t, "diff", transfers, next, "--against", log(""))
	require.Contains(t, got.stdout, "The log has no recorded inputs: aureus serve --record-inputs")

	got = runAudit(t, "purge-inputs", "--db", server.db)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "--before is required")
	got = runAudit(t, "purge-inputs", "--db", server.db, "--before", "0s")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "The inputs of 5 decisions were deleted.\n", got.stdout)
	require.Zero(t, runAudit(t, "verify", "--db", server.db).code)
	runPolicy(t, "diff", transfers, next, "--against", log("?inputs=true"), "--output", "json").line(t, &result)
	require.Zero(t, result.Replay.WithInputs)
	server.stop(t, syscall.SIGTERM)
}

// runAudit runs a command of aureus audit.
func runAudit(t *testing.T, args ...string) commandResult {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(t.Context(), append([]string{"audit"}, args...), func(string) string { return "" }, &stdout, &stderr)
	return commandResult{code, stdout.String(), stderr.String()}
}
