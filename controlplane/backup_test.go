package controlplane_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// A backup made while clients write is complete and can be served.
func TestBackup_Restored_HasEverything(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, func(c *controlplane.Config) { c.DB = db })
	client := srv.Client()
	question := aureus.PolicyContext{
		Principal: aureus.Principal{ID: "agent", Type: "agent"},
		Action:    aureus.Action{ID: "read", Name: "Read", RiskTier: aureus.TierLow},
	}
	decide := func(ctx context.Context) error {
		if _, err := client.EvaluatePolicy(ctx, question); err != nil {
			return err
		}
		return client.ReportSpan(ctx, aureus.Span{ID: "s", TraceID: "t", Name: "n", StartTime: "2026-01-01T00:00:00Z"})
	}
	for range 20 {
		require.NoError(t, decide(t.Context()))
	}
	_, secret, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "olga", Role: controlplane.RoleOperator})
	require.NoError(t, err)
	require.NotEmpty(t, secret)

	ctx, stop := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	for range 4 {
		writers.Go(func() {
			for ctx.Err() == nil {
				if err := decide(context.WithoutCancel(ctx)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	to := filepath.Join(t.TempDir(), "backup")
	err = controlplane.Backup(t.Context(), db, to)
	stop()
	writers.Wait()
	require.NoError(t, err)

	require.Error(t, controlplane.Backup(t.Context(), db, to), "an existing backup is never overwritten")
	require.Error(t, controlplane.Backup(t.Context(), filepath.Join(t.TempDir(), "none.db"), filepath.Join(t.TempDir(), "b")))
	for _, name := range []string{"aureus.db", "aureus.telemetry.db", "aureus.key"} {
		info, err := os.Stat(filepath.Join(to, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}

	restored, err := controlplane.Open(t.Context(), controlplane.Config{DB: filepath.Join(to, "aureus.db")})
	require.NoError(t, err)
	defer func() { require.NoError(t, restored.Close()) }()
	verified, err := restored.Operator("auditor").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
	require.GreaterOrEqual(t, verified.Entries, int64(21))
	spans, err := restored.Client().Trace(t.Context(), "t")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(spans), 20)
	keys, err := restored.Keys().List(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, keys)
}

// A database that no server has opened has no telemetry file: the error says what to
// do.
func TestBackup_FileNeverOpened_SaysWhatToDo(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	err := controlplane.Backup(t.Context(), filepath.Join(folder, "none.db"), filepath.Join(folder, "to"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, "when it first opens the database")
	entries, err := os.ReadDir(filepath.Join(folder, "to"))
	require.NoError(t, err)
	require.Empty(t, entries)
}
