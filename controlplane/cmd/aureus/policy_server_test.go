package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// policyServer is a server process with an admin's key.
type policyServer struct {
	*serverProcess

	key, db string
}

func startPolicyServer(t *testing.T, args ...string) *policyServer {
	t.Helper()
	db := filepath.Join(t.TempDir(), "aureus.db")
	var added map[string]any
	runKeys(t, "add", "--create", "--subject", "ada", "--role", "admin", "--speaks-for", "*", "--db", db, "--output", "json").line(t, &added)
	key, _ := added["secret"].(string)
	return &policyServer{start(t, nil, append([]string{"serve", "--addr", "127.0.0.1:0", "--db", db}, args...)...), key, db}
}

// run runs a command of aureus policy with the server in the environment.
func (s *policyServer) run(t *testing.T, args ...string) commandResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := map[string]string{"AUREUS_URL": s.url, "AUREUS_API_KEY": s.key}
	code := run(t.Context(), append([]string{"policy"}, args...), func(name string) string { return env[name] }, &stdout, &stderr)
	require.NotContains(t, stdout.String()+stderr.String(), s.key)
	return commandResult{code, stdout.String(), stderr.String()}
}

func TestPolicyPush_ThenPullAndHistory_KeepTheExactBytes(t *testing.T) {
	server := startPolicyServer(t)
	got := server.run(t, "pull")
	require.Equal(t, 1, got.code, "no bundle yet")
	require.Contains(t, got.stderr, "aureus: the tenant has no policy bundle; aureus policy push puts one in force: ")
	require.Contains(t, server.run(t, "pull", "--version", "9").stderr, "aureus policy history lists the versions")
	got = server.run(t, "history")
	require.Equal(t, "The tenant has no policy bundle.\n", got.stdout)

	got = server.run(t, "push", "--dry-run", transfers)
	require.Zero(t, got.code, got.stderr)
	require.NotContains(t, got.stdout, "in force")
	got = server.run(t, "push", transfers)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "transfers/3 is the first bundle\n")
	require.Contains(t, got.stdout, `note: the rule "own" is in shadow mode`)
	require.Contains(t, got.stdout, "transfers/3 is in force.\n")
	require.NotContains(t, got.stdout, "without a control plane", "there is one, which counts the budgets")

	next := stricter(t)
	got = server.run(t, "push", next)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, "transfers/3 → transfers/4: 7 changes\n")
	require.Contains(t, got.stdout, "tier: medium → high")
	got = server.run(t, "push", transfers)
	require.Equal(t, 1, got.code, "a lower version does not replace a higher one")
	require.NotContains(t, got.stdout, "in force")

	want, err := os.ReadFile(next)
	require.NoError(t, err)
	got = server.run(t, "pull")
	require.Equal(t, string(want), got.stdout)
	file := filepath.Join(t.TempDir(), "pulled.yaml")
	got = server.run(t, "pull", "--version", "3", "-o", file)
	require.Equal(t, "transfers/3 is in "+file+".\n", got.stdout)
	first, err := os.ReadFile(file)
	require.NoError(t, err)
	want, err = os.ReadFile(transfers)
	require.NoError(t, err)
	require.Equal(t, string(want), string(first))

	var list []aureus.PolicyBundle
	server.run(t, "history", "--output", "json").line(t, &list)
	require.Len(t, list, 2)
	got = server.run(t, "history")
	require.Regexp(t, `(?m)^  VERSION +NAME +PUT AT +PUT BY +SIGNED +DIGEST$`, got.stdout)
	require.Regexp(t, `(?m)^  3 +transfers +\S+ +ada +no +sha256:[0-9a-f]{64}$`, got.stdout)

	var result pushed
	server.run(t, "push", edited(t, "version: 3", "version: 5"), "--output", "json").line(t, &result)
	require.Equal(t, "transfers/4", result.Replaces)
	require.Equal(t, int64(5), result.Bundle.Version)
	server.stop(t, syscall.SIGTERM)
}

func TestPolicyPush_SignedBundle_BringsItsSignature(t *testing.T) {
	key := filepath.Join(t.TempDir(), "policy.key")
	require.Zero(t, runPolicy(t, "keygen", "--to", key).code)
	server := startPolicyServer(t, "--policy-key", key+".pub")
	file := edited(t)
	got := server.run(t, "push", file)
	require.Equal(t, 1, got.code, "the server demands a signature")
	require.Contains(t, got.stderr, "sign")
	require.Zero(t, runPolicy(t, "sign", file, "--key", key).code)
	got = server.run(t, "push", file)
	require.Zero(t, got.code, got.stderr)

	pulledFile := filepath.Join(t.TempDir(), "pulled.yaml")
	got = server.run(t, "pull", "-o", pulledFile, "--key", key+".pub")
	require.Zero(t, got.code, got.stderr)
	require.Zero(t, runPolicy(t, "verify", pulledFile, "--key", key+".pub").code)
	other := filepath.Join(t.TempDir(), "other.key")
	require.Zero(t, runPolicy(t, "keygen", "--to", other).code)
	got = server.run(t, "pull", "-o", pulledFile+"2", "--key", other+".pub")
	require.Equal(t, 1, got.code)
	require.NoFileExists(t, pulledFile+"2")
	server.stop(t, syscall.SIGTERM)
}

func TestPolicyStop_UntilResumed_IsListed(t *testing.T) {
	server := startPolicyServer(t)
	require.Equal(t, "Nothing is stopped.\n", server.run(t, "stops").stdout)
	got := server.run(t, "stop", "principal:agent-*", "--reason", "misbehaves since noon")
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "principal:agent-* is stopped. The stop is by ada: misbehaves since noon\n", got.stdout)
	got = server.run(t, "stops")
	require.Regexp(t, `^  SCOPE +SINCE +BY +REASON\n  principal:agent-\* +20\S+Z +ada +misbehaves since noon\n$`, got.stdout)
	var stop aureus.PolicyStop
	server.run(t, "resume", "principal:agent-*", "--output", "json").line(t, &stop)
	require.Equal(t, "ada", stop.By)
	got = server.run(t, "resume", "principal:agent-*")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "aureus: nothing is stopped with the scope")
	got = server.run(t, "stop", "everything", "--reason", "x")
	require.True(t, strings.HasPrefix(got.stderr, "aureus: StopPolicy: status 422"), got.stderr)
	for _, args := range [][]string{{"stop", "all"}, {"stop", "everything", "--reason", "x"}} {
		require.Equal(t, 1, server.run(t, args...).code, args)
	}
	server.stop(t, syscall.SIGTERM)
}

func TestPolicyServer_AddressAndKey_AreNeeded(t *testing.T) {
	for _, args := range [][]string{{"pull"}, {"history"}, {"stops"}, {"stop", "all", "--reason", "x"}, {"resume", "all"}, {"push", transfers}} {
		got := runPolicy(t, args...)
		require.Equal(t, 1, got.code, args)
		require.Contains(t, got.stderr, "AUREUS_URL", args)
	}
	server := startPolicyServer(t)
	server.key = ""
	var stderr strings.Builder
	code := run(t.Context(), []string{"policy", "stops", "--url", server.url}, func(string) string { return "" }, &stderr, &stderr)
	require.Equal(t, 1, code)
	require.Contains(t, stderr.String(), "set AUREUS_API_KEY")
	server.stop(t, syscall.SIGTERM)
}

func TestPolicyHistory_ScreenOf80Columns_FitsIt(t *testing.T) {
	s := startSeatServer(t)
	admin := s.on(map[string]string{"COLUMNS": "80"})
	admin.env["AUREUS_API_KEY"] = s.admin
	require.Zero(t, admin.run(t, "policy", "push", transfers).code)
	for _, args := range [][]string{{"history"}, {"explain", transfers, "--test", "at night nobody pays"}, {"push", "--dry-run", stricter(t)}} {
		got := admin.run(t, append([]string{"policy"}, args...)...)
		require.Zero(t, got.code, got.stderr)
		for line := range strings.Lines(got.stdout) {
			require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\n"))), 80, line)
		}
	}
	require.Regexp(t, `(?m)  ada +no +sha256:[0-9a-f]{12}…$`, admin.run(t, "policy", "history").stdout)
}
