package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// ran is what a command printed and how it ended.
type ran struct {
	code           int
	stdout, stderr string
}

func runKeys(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"keys"}, args...), func(string) string { return "" }, &stdout, &stderr)
	return ran{code, stdout.String(), stderr.String()}
}

// line reads the one line of JSON on standard output.
func (r ran) line(t *testing.T, v any) {
	t.Helper()
	require.Zero(t, r.code, r.stderr)
	require.Empty(t, r.stderr)
	require.Equal(t, 1, strings.Count(r.stdout, "\n"), r.stdout)
	require.NoError(t, strictjson.Unmarshal([]byte(r.stdout), v), r.stdout)
}

func TestKeys_OutputJSON_IsOneLineThatAScriptReads(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	var added map[string]any
	runKeys(t, "add", "--create", "--subject", `o"lga é`, "--role", "operator", "--tenant", "acme", "--speaks-for", "a,b", "--db", db, "--output", "json").line(t, &added)
	secret, _ := added["secret"].(string)
	require.Regexp(t, secretForm, secret)
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
	require.Equal(t, []any{}, second["speaks_for"], "an array in any case")

	listed := runKeys(t, "list", "--db", db, "--output", "json")
	var list []map[string]any
	listed.line(t, &list)
	require.Len(t, list, 2)
	delete(added, "secret")
	require.Equal(t, added, list[0])
	require.NotContains(t, listed.stdout, secret)
	require.NotRegexp(t, secretForm, listed.stdout, "only add shows a secret")

	for range 2 { // again changes nothing, and is no failure
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

func TestKeys_OutputJSON_FailureLeavesStandardOutputEmpty(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	var list []map[string]any
	require.Zero(t, runKeys(t, "add", "--create", "--subject", "s", "--role", "service", "--db", db).code)
	runKeys(t, "list", "--db", db, "--output", "json").line(t, &list)
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a form that is none":  {[]string{"list", "--output", "xml"}, 2, "text or json"},
		"a key that is none":   {[]string{"revoke", "key_none"}, 1, "key_none"},
		"no key to revoke":     {[]string{"revoke"}, 2, "argument"},
		"a role that is none":  {[]string{"add", "--subject", "s", "--role", "root"}, 1, "role"},
		"a subject of nothing": {[]string{"add", "--subject", "", "--role", "admin"}, 1, "subject"},
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

// An admin key is made and shown only where there is none.
func TestServe_AdminKey_IsPrintedOnlyWhereThereIsNone(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	serve := func() (printed string) {
		r := start(t, nil, "serve", "--addr", "127.0.0.1:0", "--db", db)
		r.stop(t, os.Interrupt)
		require.NotRegexp(t, secretForm, r.stderr.String(), "never in the log")
		return secretForm.FindString(strings.Join(r.said, "\n"))
	}
	var admin struct{ ID string }
	added := runKeys(t, "add", "--create", "--subject", "adam", "--role", "admin", "--tenant", "acme", "--db", db, "--output", "json")
	require.NoError(t, json.Unmarshal([]byte(added.stdout), &admin))
	require.Empty(t, serve(), "there is one, of whatever tenant")
	require.Empty(t, serve())
	require.Zero(t, runKeys(t, "add", "--subject", "olga", "--role", "operator", "--db", db).code)
	require.Zero(t, runKeys(t, "revoke", admin.ID, "--db", db).code)
	require.NotEmpty(t, serve(), "the last one was revoked")
	require.Empty(t, serve())
}

// OPTIONS * is for the server as a whole, and answered in JSON as everything.
func TestServe_OptionsOfTheServer_AnswersJSON(t *testing.T) {
	r := start(t, nil, "serve", "--dev", "--addr", "127.0.0.1:0", "--db", filepath.Join(t.TempDir(), "aureus.db"))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodOptions, r.url, http.NoBody)
	require.NoError(t, err)
	request.URL.Opaque = "*"
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusNotFound, response.StatusCode)
	require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	r.stop(t, os.Interrupt)
}
