package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const transfers = "testdata/transfers.yaml"

func runPolicy(t *testing.T, args ...string) commandResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), append([]string{"policy"}, args...), func(string) string { return "" }, &stdout, &stderr)
	return commandResult{code, stdout.String(), stderr.String()}
}

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got, file)
}

func unmarshal(t *testing.T, text string, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), v))
}

// edited writes a copy of the example bundle with some texts replaced, and returns its
// file.
func edited(t *testing.T, replacements ...string) string {
	t.Helper()
	text, err := os.ReadFile(transfers)
	require.NoError(t, err)
	for n := 0; n < len(replacements); n += 2 {
		require.Contains(t, string(text), replacements[n])
	}
	file := filepath.Join(t.TempDir(), "edited.yaml")
	require.NoError(t, os.WriteFile(file, []byte(strings.NewReplacer(replacements...).Replace(string(text))), 0o600))
	return file
}

func TestPolicy_InvalidArguments_AreUsageErrors(t *testing.T) {
	for name, row := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no command":                {nil, 2, "aureus policy check FILE"},
		"an unknown command":        {[]string{"chekc"}, 2, `unknown command "policy chekc"`},
		"check without a file":      {[]string{"check"}, 2, "the argument FILE... is missing"},
		"an unknown flag":           {[]string{"check", transfers, "--strikt"}, 2, "-strikt"},
		"explain of two files":      {[]string{"explain", transfers, transfers}, 2, "unexpected argument"},
		"an unknown format":         {[]string{"check", transfers, "--output", "yaml"}, 2, "text or json"},
		"a missing file":            {[]string{"explain", "missing.yaml", "--test", "x"}, 1, "missing.yaml"},
		"no request":                {[]string{"explain", transfers}, 1, "a request is needed"},
		"two requests":              {[]string{"explain", transfers, "--test", "x", "--principal", "y"}, 1, "cannot be used together"},
		"an unknown test":           {[]string{"explain", transfers, "--test", "x"}, 1, `no test named "x"; it has "a teller pays", `},
		"no action":                 {[]string{"explain", transfers, "--principal", "x"}, 1, "a request needs --principal, and --action, --tool or --route"},
		"no principal":              {[]string{"explain", transfers, "--action", "transfer.make"}, 1, "a request needs --principal"},
		"arguments that are a list": {[]string{"explain", transfers, "--principal", "x", "--action", "y", "--arguments", "[]"}, 1, "--arguments must be a JSON object"},
		"claims that are no JSON":   {[]string{"explain", transfers, "--principal", "x", "--action", "y", "--claims", "{"}, 1, "--claims"},
		"a time without a zone":     {[]string{"explain", transfers, "--principal", "x", "--action", "y", "--at", "2026-11-30"}, 1, "--at must be a time of RFC 3339"},
		"sign without a key":        {[]string{"sign", transfers}, 1, "--key is required"},
		"verify without a key":      {[]string{"verify", transfers}, 1, "--key is required"},
		"an empty key file":         {[]string{"check", transfers, "--key", ""}, 1, "--key must name a file"},
		"keygen without a file":     {[]string{"keygen"}, 1, "--to is required"},
	} {
		t.Run(name, func(t *testing.T) {
			got := runPolicy(t, row.args...)
			require.Equal(t, row.code, got.code, got.stderr)
			require.Empty(t, got.stdout)
			require.Contains(t, got.stderr, row.says)
		})
	}
	got := runPolicy(t, "help")
	require.Zero(t, got.code)
	require.Equal(t, policyUsage, got.stdout)
	require.Zero(t, runPolicy(t, "check", "-h").code)
}

func TestPolicyUsage_Verbs_AreListed(t *testing.T) {
	for verb := range policyVerbs {
		require.Contains(t, policyUsage, "aureus policy "+verb)
	}
}

func TestShown_ControlCharacters_AreEscaped(t *testing.T) {
	require.Equal(t, `a\u{001B}[31mb\u{0009}c\u{009B}dé`, shown("a\x1b[31mb\tc\u009bdé"))
}
