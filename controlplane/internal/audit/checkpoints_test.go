package audit

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// openLog returns a store that tells its Checkpoints of new entries, and the
// Checkpoints, with the ones that were made.
func openLog(t testing.TB) (*sqlite.DB, *Checkpoints, func() []int64) {
	t.Helper()
	var mu sync.Mutex
	var made []int64
	c := &Checkpoints{
		Now: func() time.Time { return noon }, Log: slog.New(slog.DiscardHandler),
		Made: func(_ context.Context, c storage.Checkpoint) {
			mu.Lock()
			defer mu.Unlock()
			made = append(made, c.Size)
		},
	}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{OnAudit: c.Notify})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	c.Store = db
	return db, c, func() []int64 {
		mu.Lock()
		defer mu.Unlock()
		return append([]int64(nil), made...)
	}
}

func addEntries(t testing.TB, db storage.Store, tenant string, n int) {
	t.Helper()
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range n {
			err := tx.Audit().Append(tenant, noon, aureus.AuditRecord{Kind: vocab.AuditGateResult, By: "test", KeyID: "key", Details: map[string]any{"n": strconv.Itoa(i)}})
			if err != nil {
				return err
			}
		}
		return nil
	}))
}

func TestCheckpoints_ManyEntries_DoNotWaitForTheSecond(t *testing.T) {
	t.Parallel()
	db, c, _ := openLog(t)
	addEntries(t, db, "a", checkpointEntries-1)
	require.Empty(t, c.wakeUp(), "fewer entries wait for the end of the second")
	addEntries(t, db, "a", 1)
	addEntries(t, db, "b", 1)
	require.Len(t, c.wakeUp(), 1)
	c.makeDue(t.Context(), checkpointEntries)
	require.Equal(t, map[string]int{"b": 1}, c.pending)
	c.makeDue(t.Context(), 1)
	require.Empty(t, c.pending)
}

func TestCheckpoints_NextProcess_MakesWhatAnEarlierProcessHasNot(t *testing.T) {
	t.Parallel()
	db, c, made := openLog(t)
	addEntries(t, db, "a", storage.TreeStep+7) // two steps
	c.pending = nil                            // as after kill -9
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.Run(ended) // it ends with its context
	require.NoError(t, c.findBehind(t.Context()))
	c.makeDue(t.Context(), 1)
	require.Equal(t, []int64{storage.TreeStep + 7}, made())
	addEntries(t, db, "a", 1)
	c.Last()
	c.Last()
	require.Equal(t, []int64{storage.TreeStep + 7, storage.TreeStep + 8}, made(), "nothing is due any more")
}

func TestCheckpoints_Failure_IsTriedAgain(t *testing.T) {
	t.Parallel()
	db, c, made := openLog(t)
	addEntries(t, db, "a", 3)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	c.makeDue(ended, 1)
	require.Equal(t, map[string]int{"a": 3}, c.pending)
	c.makeDue(t.Context(), 1)
	require.Equal(t, []int64{3}, made())
}

// A transaction that was rolled back counts entries that are not there.
func TestCheckpoints_EmptyLog_HasNone(t *testing.T) {
	t.Parallel()
	_, c, made := openLog(t)
	c.Notify("a", 1)
	c.makeDue(t.Context(), 1)
	require.Empty(t, c.pending)
	require.Empty(t, made())
}

func TestCheckpointFile_Append_RotatesAndFollowsTheName(t *testing.T) {
	t.Parallel()
	db, c, _ := openLog(t)
	f := &CheckpointFile{Path: filepath.Join(t.TempDir(), "checkpoints"), Log: c.Log}
	require.NoError(t, f.Open())
	c.Made = f.Append
	next := func() {
		addEntries(t, db, "a", 1)
		c.makeDue(t.Context(), 1)
	}
	next()
	next()
	text, err := os.ReadFile(f.Path)
	require.NoError(t, err)
	notes := evidence.SplitNotes(string(text))
	require.Len(t, notes, 2)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		for i, note := range notes {
			stored, err := tx.Trees().CheckpointAt("a", int64(i+1))
			require.NoError(t, err)
			require.Equal(t, stored.Note, note)
		}
		return nil
	}))
	f.limit = int64(len(text))
	next()
	rotated, err := os.ReadFile(f.Path + ".1")
	require.NoError(t, err)
	require.Equal(t, string(text), string(rotated))
	require.NoError(t, os.Rename(f.Path, f.Path+".moved"))
	next()
	text, err = os.ReadFile(f.Path)
	require.NoError(t, err)
	require.Contains(t, string(text), "\n4\n")
	require.NoError(t, f.Close())
	require.NoError(t, f.Close())
	next()
	require.NoError(t, f.Close())
	require.Error(t, (&CheckpointFile{Path: t.TempDir()}).Open())
}

// BenchmarkAppend appends entries in batches of 500, each batch durable, while
// checkpoints are made as in a server. One operation is one entry.
//
// AUREUS_BENCH_ENTRIES is the number of entries that the log has before, at most 10
// million; filling it takes about a minute for each million.
func BenchmarkAppend(b *testing.B) {
	const batch, most = 500, 10_000_000
	before, _ := strconv.Atoi(os.Getenv("AUREUS_BENCH_ENTRIES"))
	if before < 0 || before > most {
		b.Fatalf("AUREUS_BENCH_ENTRIES must be at most %d", most)
	}
	db, c, _ := openLog(b)
	ctx, stop := context.WithCancel(b.Context())
	var running sync.WaitGroup
	running.Go(func() { c.Run(ctx) })
	defer running.Wait()
	defer stop()
	for n := 0; n < before; n += 20_000 {
		addEntries(b, db, "default", min(20_000, before-n))
	}
	b.ResetTimer()
	entries := 0
	for b.Loop() {
		entries++
		if entries%batch == 0 {
			addEntries(b, db, "default", batch)
		}
	}
	b.ReportMetric(float64(entries/batch*batch)/b.Elapsed().Seconds(), "entries/s")
}
