package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateSample = flag.Bool("update-evidence", false, "write testdata/evidence instead of checking it")

const sampleFolder = "testdata/evidence"

// The sample in testdata stays valid: what was exported once can be checked by every
// later version.
func TestAudit_Sample_IsValid(t *testing.T) {
	t.Parallel()
	if *updateSample {
		writeSample(t)
	}
	command := func(args ...string) (int, string) {
		var out bytes.Buffer
		code := run(t.Context(), args, func(string) string { return "" }, &out, &out)
		return code, out.String()
	}
	file := func(name string) string { return filepath.Join(sampleFolder, name) }
	code, out := command("audit", "verify", file("archive.jsonl"), file("log.jsonl"), "--checkpoint", file("kept-checkpoint"), "--key", file("first-key.pem"))
	require.Zero(t, code, out)
	require.Contains(t, out, "Entries 1 to 7")
	require.Contains(t, out, "The log continues 1 of your checkpoints")
	code, out = command("audit", "verify", "--proof", file("proof.json"), "--key", file("public.pem"))
	require.Zero(t, code, out)
	require.Contains(t, out, "Entry 4")

	text, err := os.ReadFile(file("log.jsonl"))
	require.NoError(t, err)
	changed := filepath.Join(t.TempDir(), "changed.jsonl")
	require.NoError(t, os.WriteFile(changed, bytes.Replace(text, []byte("agent-1"), []byte("agent-2"), 1), 0o600))
	code, out = command("audit", "verify", file("archive.jsonl"), changed)
	require.Equal(t, 1, code)
	require.Contains(t, out, "the evidence is not valid")
}

// writeSample writes an archive, a checkpoint that an auditor kept, a key that was
// replaced, an export and a proof.
func writeSample(t *testing.T) {
	t.Helper()
	w := newWorkshop(t)
	require.NoError(t, os.MkdirAll(sampleFolder, 0o750))
	save := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(sampleFolder, name), []byte(text), 0o600))
	}
	w.decide()
	w.decide()
	w.ok("audit", "archive", "--to", w.file("archive.jsonl"), "--before", "0s")
	save("archive.jsonl", w.read(w.file("archive.jsonl")))
	save("first-key.pem", w.ok("signing-key", "show"))
	id := w.decide()
	save("kept-checkpoint", w.ok("audit", "checkpoint"))
	w.ok("signing-key", "rotate")
	save("public.pem", w.ok("signing-key", "show"))
	w.decide()
	w.decide()
	w.ok("audit", "export", "--to", w.file("log.jsonl"))
	save("log.jsonl", w.read(w.file("log.jsonl")))
	save("proof.json", w.ok("audit", "proof", id.String()))
}
