package controlplane_test

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// The client gets a checkpoint, the proof of a decision and that of growth, and they are
// valid without the server.
func TestAudit_ProofsOfTheClient_AreValid(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	srv := open(t, func(c *controlplane.Config) { c.DB = filepath.Join(folder, "aureus.db") })
	olga := srv.Operator("olga")
	_, err := olga.AuditCheckpoint(t.Context())
	require.ErrorIs(t, err, aureus.ErrNotFound, "the log is empty")
	first, err := srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	kept, err := srv.Client().AuditCheckpoint(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(1), kept.Size)
	_, err = srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 2))
	require.NoError(t, err)

	ring, err := seal.Load(filepath.Join(folder, "aureus.key"))
	require.NoError(t, err)
	trust := evidence.Trust{Keys: []ed25519.PublicKey{ring.Newest()}}
	proof, err := olga.AuditProof(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, first.ID, proof.Entry.DecisionID)
	report, err := evidence.CheckProof(proof, trust)
	require.NoError(t, err)
	require.Equal(t, int64(2), report.Checkpoint.Size)
	growth, err := olga.AuditConsistency(t.Context(), kept.Size)
	require.NoError(t, err)
	_, err = evidence.CheckGrowth(growth, kept.Note, ring.Newest())
	require.NoError(t, err)

	_, err = olga.AuditProof(t.Context(), aureus.NewDecisionID(newClock().Now()))
	require.ErrorIs(t, err, aureus.ErrNotFound)
	_, err = olga.AuditConsistency(t.Context(), 3)
	require.ErrorIs(t, err, aureus.ErrNotFound)
	_, err = srv.Client().AuditProof(t.Context(), first.ID)
	require.ErrorIs(t, err, aureus.ErrForbidden, "it has the entry, which is for operators")
}

// Close makes the last checkpoint, and the file of checkpoints has it.
func TestClose_EntriesWithoutCheckpoint_GetOne(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	config := controlplane.Config{DB: filepath.Join(folder, "aureus.db"), CheckpointFile: filepath.Join(folder, "checkpoints")}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	for range 3 {
		_, err := srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 1))
		require.NoError(t, err)
	}
	require.NoError(t, srv.Close())
	text, err := os.ReadFile(config.CheckpointFile)
	require.NoError(t, err)
	notes := evidence.SplitNotes(string(text))
	require.NotEmpty(t, notes)
	require.Contains(t, notes[len(notes)-1], "\n3\n")

	srv, err = controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	verified, err := srv.Operator("olga").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
	require.Equal(t, int64(3), verified.Checkpoint)

	config.DB, config.CheckpointFile = filepath.Join(folder, "other.db"), folder
	_, err = controlplane.Open(t.Context(), config)
	require.ErrorContains(t, err, "CheckpointFile")
}
