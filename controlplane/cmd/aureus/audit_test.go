package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAudit_ArchiveThenVerify_StaysValid(t *testing.T) {
	folder := t.TempDir()
	db, key := filepath.Join(folder, "aureus.db"), filepath.Join(folder, "audit.key")
	command := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), args, func(string) string { return "" }, &out, &out)
		return code, out.String()
	}
	code, out := command("keys", "add", "--create", "--db", db, "--subject", "svc", "--role", "service")
	require.Zero(t, code, out)
	code, out = command("audit", "verify", "--db", db)
	require.Zero(t, code, out)
	_, kept, _ := strings.Cut(out, "--entries 1 --head ")
	head := strings.TrimSpace(kept)
	require.Len(t, head, 64)
	code, out = command("audit", "verify", "--db", db, "--entries", "1", "--head", head)
	require.Zero(t, code, out)
	code, out = command("audit", "verify", "--db", db, "--entries", "1", "--head", strings.Repeat("0", 64))
	require.Equal(t, 1, code, out)
	require.Contains(t, out, "entry 1")

	code, out = command("audit", "archive", "--db", db, "--to", filepath.Join(folder, "a.jsonl"), "--key", key)
	require.Equal(t, 1, code)
	require.Contains(t, out, "--create-key")
	code, out = command("audit", "archive", "--db", db, "--to", filepath.Join(folder, "a.jsonl"), "--key", key, "--create-key", "--before", "0s")
	require.Zero(t, code, out)
	require.Contains(t, out, head)
	code, out = command("audit", "verify", "--db", db, "--entries", "1", "--head", head)
	require.Zero(t, code, out)
	require.Contains(t, out, "The first 1 entries are archived")
	code, out = command("audit", "archive", "--db", db, "--to", filepath.Join(folder, "b.jsonl"), "--key", key, "--before", "0s")
	require.Equal(t, 1, code)
	require.Contains(t, out, "nothing to archive")

	code, out = command("audit", "verify", "--db", db, "--tenant", "mistyped")
	require.Zero(t, code, out)
	require.Equal(t, "The audit log of the tenant \"mistyped\" is empty.\n", out)
}
