package controlplane_test

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

var archiveKey = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))

// Entries move to a file while the server runs. The rest of the log still verifies,
// also against a head from before.
func TestArchiveAudit_OldEntries_MoveToAFile(t *testing.T) {
	t.Parallel()
	clock := newClock()
	folder := t.TempDir()
	file := filepath.Join(folder, "aureus.db")
	srv := open(t, at(clock), func(c *controlplane.Config) { c.DB = file })
	busy(t, srv, clock)
	olga := srv.Operator("olga")
	old, err := olga.VerifyAudit(t.Context())
	require.NoError(t, err)
	exported := raw{method: "GET", path: "/api/v1/audit/export", key: newKey(t, srv, controlplane.RoleOperator, "otto")}.do(t, srv).body
	clock.Advance(24 * time.Hour)
	_, err = srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)

	_, err = controlplane.ArchiveAudit(t.Context(), file, "default", filepath.Join(folder, "a.jsonl"), clock.Now().Add(-time.Hour), archiveKey[1:])
	require.ErrorContains(t, err, "Ed25519")
	_, err = controlplane.ArchiveAudit(t.Context(), file, "default", filepath.Join(folder, "none.jsonl"), clock.Now().Add(-100*time.Hour), archiveKey)
	require.ErrorIs(t, err, controlplane.ErrNothingToArchive)
	a, err := controlplane.ArchiveAudit(t.Context(), file, "default", filepath.Join(folder, "a.jsonl"), clock.Now().Add(-time.Hour), archiveKey)
	require.NoError(t, err)
	require.Equal(t, old.Entries+1, a.Entries, "includes the entry of the added key")

	text, err := os.ReadFile(filepath.Join(folder, "a.jsonl"))
	require.NoError(t, err)
	lines := strings.SplitAfter(string(text), "\n")
	require.Equal(t, exported, strings.Join(lines[:a.Entries], ""), "the same lines as in the export")
	require.Contains(t, lines[a.Entries], `{"evidence":`)
	require.Contains(t, lines[a.Entries+1], `"hash":"`+a.Head+`"`)
	now, err := olga.VerifyAudit(t.Context(), aureus.AuditVerification{Entries: a.Last, Head: a.Head})
	require.NoError(t, err)
	require.True(t, now.Valid)
	require.Equal(t, []int64{a.Last + 1, a.Last}, []int64{now.Entries, now.Archived})
	entries := collectAudit(t, olga)
	require.Len(t, entries, 1)
	require.Equal(t, a.Head, entries[0].PreviousHash)
	_, err = olga.VerifyAudit(t.Context(), old)
	require.ErrorIs(t, err, aureus.ErrInvalid, "that entry has been archived")
	_, err = olga.VerifyAudit(t.Context(), old, now)
	require.ErrorIs(t, err, aureus.ErrInvalid)
	_, err = controlplane.ArchiveAudit(t.Context(), file, "default", filepath.Join(folder, "a.jsonl"), clock.Now().Add(time.Hour), archiveKey)
	require.ErrorIs(t, err, os.ErrExist, "an existing file is not overwritten")
	beside, err := controlplane.VerifyAudit(t.Context(), file, "default", now)
	require.NoError(t, err)
	require.True(t, beside.Valid)
}

// Records that ended longer ago than the retention are deleted, and only those.
func TestRetention_RecordsPastIt_AreDeleted(t *testing.T) {
	t.Parallel()
	clock := newClock()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, at(clock), func(c *controlplane.Config) { c.DB, c.Retention = file, 8*24*time.Hour })
	service, olga := srv.Client(), srv.Operator("olga")
	rejected := ask(t, service, 1)
	_, err := olga.Reject(t.Context(), rejected.ID, rejected.ActionDigest, "")
	require.NoError(t, err)
	decision, err := service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	require.NoError(t, service.RecordOutcomes(t.Context(), []aureus.Outcome{{DecisionID: decision.ID, Status: "success"}}))
	clock.Advance(9 * 24 * time.Hour)
	pending := ask(t, service, 2)
	approvals := func() (ids []string) {
		list, err := aureus.Collect(olga.Approvals(t.Context(), aureus.ApprovalQuery{}))
		require.NoError(t, err)
		for _, a := range list {
			ids = append(ids, a.ID)
		}
		return ids
	}
	require.Equal(t, []string{rejected.ID, pending.ID}, approvals())
	controlplane.Prune(t.Context(), srv)
	require.Equal(t, []string{pending.ID}, approvals())
	require.Contains(t, rejectedBecause(t, service.RecordDecisions(t.Context(), []aureus.DecisionRecord{decision.Record()})), "/decision_id", "a deleted decision is not recorded again")
	_, err = service.Decision(t.Context(), decision.ID)
	require.NoError(t, err, "the audit log still contains it")
	v, err := olga.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, v.Valid)

	_, err = controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true, Retention: time.Hour})
	require.ErrorContains(t, err, "Retention")
}
