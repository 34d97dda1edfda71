package main

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// commandResult is the output and the exit code of a command.
type commandResult struct {
	code           int
	stdout, stderr string
}

func runKeys(t *testing.T, args ...string) commandResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"keys"}, args...), func(string) string { return "" }, &stdout, &stderr)
	return commandResult{code, stdout.String(), stderr.String()}
}

// line parses the single line of JSON on standard output.
func (r commandResult) line(t *testing.T, v any) {
	t.Helper()
	require.Zero(t, r.code, r.stderr)
	require.Empty(t, r.stderr)
	require.Equal(t, 1, strings.Count(r.stdout, "\n"), r.stdout)
	require.NoError(t, strictjson.Unmarshal([]byte(r.stdout), v), r.stdout)
}

func TestKeys_OutputJSON_IsOneLine(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	var added map[string]any
	runKeys(t, "add", "--create", "--subject", `o"lga é`, "--role", "operator", "--tenant", "acme", "--speaks-for", "a,b", "--db", db, "--output", "json").line(t, &added)
	secret, _ := added["secret"].(string)
	require.Regexp(t, secretPattern, secret)
	id, _ := added["id"].(string)
	require.True(t, strings.HasPrefix(secret, id+"."))
	created, _ := added["created_at"].(string)
	_, err := time.Parse(time.RFC3339, created)
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"id": id, "tenant": "acme", "subject": `o"lga é`, "role": "operator", "speaks_for": []any{"a", "b"}, "created_at": created, "secret": secret,
	}, added)

	var second map[string]any
	runKeys(t, "add", "--output=json", "--subject", "s", "--role", "service", "--db", db).line(t, &second)
	require.Equal(t, []any{}, second["speaks_for"], "an array, even if it is empty")

	listed := runKeys(t, "list", "--db", db, "--output", "json")
	var list []map[string]any
	listed.line(t, &list)
	require.Len(t, list, 2)
	delete(added, "secret")
	require.Equal(t, added, list[0])
	require.NotContains(t, listed.stdout, secret)
	require.NotRegexp(t, secretPattern, listed.stdout, "only add shows a secret")

	for range 2 { // revoking again succeeds and changes nothing
		var revoked map[string]any
		runKeys(t, "revoke", id, "--db", db, "--output", "json").line(t, &revoked)
		require.Equal(t, map[string]any{"id": id, "revoked": true}, revoked)
	}
	runKeys(t, "list", "--db", db, "--output", "json").line(t, &list)
	ended, _ := list[0]["revoked_at"].(string)
	_, err = time.Parse(time.RFC3339, ended)
	require.NoError(t, err)
	require.NotContains(t, list[1], "revoked_at")
}

func TestKeys_OutputJSON_FailureWritesNothingToStdout(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	var list []map[string]any
	require.Zero(t, runKeys(t, "add", "--create", "--subject", "s", "--role", "service", "--db", db).code)
	runKeys(t, "list", "--db", db, "--output", "json").line(t, &list)
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"an unknown format": {[]string{"list", "--output", "xml"}, 2, "text or json"},
		"an unknown key":    {[]string{"revoke", "key_none"}, 1, `has no key "key_none"; aureus keys list`},
		"no key to revoke":  {[]string{"revoke"}, 2, "argument"},
		"an unknown role":   {[]string{"add", "--subject", "s", "--role", "root"}, 1, "role"},
		"an empty subject":  {[]string{"add", "--subject", "", "--role", "admin"}, 1, "subject"},
	} {
		t.Run(name, func(t *testing.T) {
			args := slices.Concat(row.args, []string{"--db", db})
			if row.args[len(row.args)-1] != "xml" {
				args = append(args, "--output", "json")
			}
			got := runKeys(t, args...)
			require.Equal(t, row.code, got.code, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, row.says)
		})
	}
}
