package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// workshop is a folder with a database, in which commands are run.
type workshop struct {
	t      *testing.T
	folder string
}

func newWorkshop(t *testing.T) workshop {
	t.Helper()
	w := workshop{t, t.TempDir()}
	w.ok("keys", "add", "--create", "--subject", "svc", "--role", "service")
	return w
}

func (w workshop) file(name string) string { return filepath.Join(w.folder, name) }

func (w workshop) run(args ...string) (int, string) {
	var out bytes.Buffer
	getenv := func(name string) string {
		if name == "AUREUS_DB" {
			return w.file("aureus.db")
		}
		return ""
	}
	code := run(w.t.Context(), args, getenv, &out, &out)
	return code, out.String()
}

func (w workshop) ok(args ...string) string {
	w.t.Helper()
	code, out := w.run(args...)
	require.Zero(w.t, code, out)
	return out
}

func (w workshop) fails(says string, args ...string) {
	w.t.Helper()
	code, out := w.run(args...)
	require.Equal(w.t, 1, code, out)
	require.Contains(w.t, out, says)
}

func (w workshop) save(name, text string) string {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.file(name), []byte(text), 0o600))
	return w.file(name)
}

// decide makes a decision, which the log then has.
func (w workshop) decide() aureus.DecisionID {
	w.t.Helper()
	srv, err := controlplane.Open(w.t.Context(), controlplane.Config{DB: w.file("aureus.db")})
	require.NoError(w.t, err)
	defer func() { require.NoError(w.t, srv.Close()) }()
	decision, err := srv.Client().Decide(w.t.Context(), aureus.Request{
		Principal: aureus.Principal{ID: "agent-1", Type: "agent"}, Action: aureus.Action{ID: "read", Name: "Read", RiskTier: aureus.TierLow},
	})
	require.NoError(w.t, err)
	return decision.ID
}

func TestAudit_ExportAndProof_AreVerifiedWithoutTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	id := w.decide()
	key := w.save("public.pem", w.ok("signing-key", "show"))
	kept := w.save("kept", w.ok("audit", "checkpoint"))
	proof := w.save("proof.json", w.ok("audit", "proof", id.String()))
	w.decide()
	export := w.file("log.jsonl")
	require.Contains(t, w.ok("audit", "export", "--to", export), "3 entries")
	w.fails("exists", "audit", "export", "--to", export)

	out := w.ok("audit", "verify", export)
	require.Contains(t, out, `Entries 1 to 3 of the tenant "default" are complete and unchanged`)
	require.Contains(t, out, "name the key that you trust with --key")
	out = w.ok("audit", "verify", export, "--checkpoint", kept, "--key", key)
	require.Contains(t, out, "The log continues 1 of your checkpoints, the last one of 2 entries.")
	require.NotContains(t, out, "--key")
	out = w.ok("audit", "verify", "--proof", proof, "--key", key)
	require.Contains(t, out, `Entry 2 of the tenant "default" is in the log of 2 entries`)

	text, err := os.ReadFile(export)
	require.NoError(t, err)
	changed := w.save("changed.jsonl", strings.Replace(string(text), "agent-1", "agent-2", 1))
	w.fails("its hash is", "audit", "verify", changed)
	other := newWorkshop(t)
	foreign := w.save("other.pem", other.ok("signing-key", "show"))
	w.fails("does not follow from the key", "audit", "verify", export, "--key", foreign)
	w.fails("not about", "audit", "verify", export, "--checkpoint", w.save("foreign", other.ok("audit", "checkpoint")))
	w.fails("--key must name a file", "audit", "verify", export, "--key", "")
	w.fails("--checkpoint must name a file", "audit", "verify", "--checkpoint", "")
	w.fails("has no checkpoint", "audit", "verify", export, "--checkpoint", w.save("empty", "\n"))
	w.fails("either files with entries", "audit", "verify", export, "--proof", proof)
	w.fails("is empty", "audit", "export", "--to", w.file("none"), "--tenant", "nobody")
	w.fails("has no entry of the decision", "audit", "proof", aureus.NewDecisionID(time.Now()).String())
}

func TestAudit_ArchivesAndExport_AreVerifiedTogether(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.decide()
	kept := w.save("kept", w.ok("audit", "checkpoint"))
	w.ok("audit", "archive", "--to", w.file("1.jsonl"), "--before", "0s")
	w.decide()
	w.ok("audit", "archive", "--to", w.file("2.jsonl"), "--before", "0s")
	w.fails("all entries", "audit", "export", "--to", w.file("none.jsonl"))
	w.decide()
	w.ok("audit", "export", "--to", w.file("3.jsonl"))
	out := w.ok("audit", "verify", w.file("1.jsonl"), w.file("2.jsonl"), w.file("3.jsonl"), "--checkpoint", kept)
	require.Contains(t, out, "Entries 1 to 4")
	require.NotContains(t, out, "compare it with yours", "the installation has signed the archives")
	require.Contains(t, w.ok("audit", "verify", w.file("2.jsonl")), "Entries 3 to 3")
	require.Contains(t, w.ok("audit", "verify", w.file("3.jsonl")), "Entries 4 to 4")
	require.Contains(t, w.ok("audit", "verify"), "The first 3 entries are archived")
	w.fails("name the archives", "audit", "verify", w.file("3.jsonl"), "--checkpoint", kept)
	w.fails("is missing there", "audit", "verify", w.file("1.jsonl"), w.file("3.jsonl"))
}

func TestSigningKey_Rotated_IsFollowedFromTheOldKey(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.decide()
	first := w.save("first.pem", w.ok("signing-key", "show"))
	kept := w.save("kept", w.ok("audit", "checkpoint"))
	w.ok("audit", "archive", "--to", w.file("1.jsonl"), "--before", "0s")
	for range 2 {
		require.Contains(t, w.ok("signing-key", "rotate"), "PUBLIC KEY")
	}
	second := w.save("second.pem", w.ok("signing-key", "show"))
	require.NotEqual(t, w.read(first), w.read(second))
	w.decide()
	w.ok("audit", "export", "--to", w.file("2.jsonl"))
	require.Contains(t, w.ok("audit", "verify"), "valid")
	for _, key := range []string{first, second} {
		out := w.ok("audit", "verify", w.file("1.jsonl"), w.file("2.jsonl"), "--checkpoint", kept, "--key", key)
		require.Contains(t, out, "Entries 1 to 5")
		require.NotContains(t, out, "compare it with yours")
	}
	require.Contains(t, w.read(w.file("2.jsonl")), `"kind":"signing_key_replaced"`)

	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: w.file("aureus.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	w.fails("stop the server first", "signing-key", "rotate")
}

func (w workshop) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(w.t, err)
	return string(text)
}

func TestAudit_OCSF_HasAnEventForEachEntry(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t)
	w.decide()
	w.ok("audit", "export", "--format", "ocsf", "--to", w.file("events.jsonl"))
	lines := strings.Split(strings.TrimSpace(w.read(w.file("events.jsonl"))), "\n")
	require.Len(t, lines, 2)
	for _, part := range []string{`"class_uid":6003`, `"type_uid":600399`, `"version":"1.5.0"`, `"operation":"read"`, `"status_id":1`, `"action_id":1`, `"name":"agent-1"`, `"raw_data":"{\"sequence\":2,`} {
		require.Contains(t, lines[1], part)
	}
	w.fails("--format must be", "audit", "export", "--format", "xml", "--to", w.file("x"))
}
