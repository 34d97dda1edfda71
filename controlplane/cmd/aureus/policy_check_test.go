package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyCheck_GoodBundle_ListsWhatNoTestWouldMiss(t *testing.T) {
	got := runPolicy(t, "check", transfers)
	require.Zero(t, got.code, got.stderr)
	require.Empty(t, got.stderr)
	golden(t, "check.txt", got.stdout)

	got = runPolicy(t, "check", "--all", transfers)
	require.Zero(t, got.code, got.stderr)
	golden(t, "check-all.txt", got.stdout)

	got = runPolicy(t, "check", "--strict", transfers)
	require.Equal(t, 1, got.code)
	require.Equal(t, "aureus: 1 of 1 bundles did not pass the check\n", got.stderr)
}

func TestPolicyCheck_Problems_HaveFileLineAndColumn(t *testing.T) {
	broken := edited(t, "tier: low,", "tier: lowest,", "effect: deny\n", "efect: deny\n")
	failing := edited(t, "arguments: {amount: 5, to: acme}, want: allow}", "arguments: {amount: 5, to: acme}, want: deny}")
	got := runPolicy(t, "check", broken, failing, transfers, "missing.yaml")
	require.Equal(t, 1, got.code)
	require.Equal(t, "aureus: 3 of 4 bundles did not pass the check\n", got.stderr)
	require.Contains(t, got.stdout, broken+":19:24: ")
	require.Contains(t, got.stdout, broken+":30:5: ")
	require.Contains(t, got.stdout, failing+`:41:5: the test "a teller pays" fails: it wants deny, and the decision is allow, MEDIUM_RISK_ALLOWED_WITH_MONITORING`)
	require.Contains(t, got.stdout, failing+": transfers/3: 3 of 4 tests pass; 3 of 7 parts apply in a test; 4 would not be missed")
	require.Contains(t, got.stdout, transfers+": transfers/3: 4 of 4 tests pass")
	require.Contains(t, got.stdout, "missing.yaml: ")
}

func TestPolicyCheck_OutputJSON_IsOneLineAlsoForFailures(t *testing.T) {
	var files []checkedFile
	runPolicy(t, "check", transfers, "--output", "json").line(t, &files)
	require.Len(t, files, 1)
	require.True(t, files[0].OK)
	require.Equal(t, "transfers/3", files[0].Report.Bundle)
	require.NotEmpty(t, files[0].Report.Unnoticed)
	require.Empty(t, files[0].Problems)

	got := runPolicy(t, "check", edited(t, "tier: low,", "tier: lowest,"), "--output", "json")
	require.Equal(t, 1, got.code)
	got.code, got.stderr = 0, ""
	got.line(t, &files)
	require.False(t, files[0].OK)
	require.Equal(t, 19, files[0].Problems[0].Line)
	require.Nil(t, files[0].Report)
}

func TestPolicySign_ThenVerify_NeedsTheExactBytes(t *testing.T) {
	key := filepath.Join(t.TempDir(), "policy.key")
	got := runPolicy(t, "keygen", "--to", key)
	require.Zero(t, got.code, got.stderr)
	require.Contains(t, got.stdout, key+".pub")
	info, err := os.Stat(key)
	require.NoError(t, err)
	require.Zero(t, info.Mode().Perm()&0o077, "only the owner may read a private key")
	got = runPolicy(t, "keygen", "--to", key)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "exists")

	file := edited(t)
	got = runPolicy(t, "verify", file, "--key", key+".pub")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "no signature")
	got = runPolicy(t, "sign", file, "--key", key)
	require.Zero(t, got.code, got.stderr)
	require.Equal(t, "transfers/3 is signed: the signature is in "+file+".sig.\n", got.stdout)

	var verified signedFile
	runPolicy(t, "verify", file, "--key", key+".pub", "--output", "json").line(t, &verified)
	require.Equal(t, "transfers/3", verified.Bundle)
	require.Len(t, verified.Signature, 88)
	require.Zero(t, runPolicy(t, "check", file, "--key", key+".pub").code)

	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, append(text, '\n'), 0o600))
	for _, verb := range []string{"verify", "check"} {
		got = runPolicy(t, verb, file, "--key", key+".pub")
		require.Equal(t, 1, got.code)
		require.Contains(t, got.stdout+got.stderr, "not signed by a trusted key")
	}
	got = runPolicy(t, "verify", file, "--key", key)
	require.Equal(t, 1, got.code)
	require.Contains(t, got.stderr, "PUBLIC KEY")
	require.NotContains(t, got.stderr, "BEGIN")
	got = runPolicy(t, "sign", edited(t, "want: allow", "want: deny"), "--key", key)
	require.Equal(t, 1, got.code, "a bundle whose tests fail is not signed")
}
