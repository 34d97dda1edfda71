package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func openStore(t testing.TB) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "a #1?%.db"), storage.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
}

func entry(text string) aureus.AuditRecord {
	return aureus.AuditRecord{Kind: vocab.AuditGateResult, By: "test", KeyID: "key", Details: map[string]any{"text": text}}
}

func appendEntry(text string) func(storage.Tx) error {
	return func(t storage.Tx) error { return t.Audit().Append("default", noon, entry(text)) }
}

// texts checks the chain and returns the texts of all entries.
func texts(t *testing.T, db *DB) (list []string) {
	t.Helper()
	v, err := storage.VerifyAudit(context.WithoutCancel(t.Context()), db, "default")
	require.NoError(t, err)
	require.True(t, v.Valid)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		entries, err := tx.Audit().List("default", storage.AuditFilter{Limit: 10_000})
		for _, e := range entries {
			list = append(list, fmt.Sprint(e.Details["text"]))
		}
		return err
	}))
	return list
}

// The test calls commit itself, so that all jobs are in one batch.
func TestCommit_FailedJobInABatch_LeavesTheOthersAlone(t *testing.T) {
	db := openStore(t)
	refused := errors.New("refused")
	cancelled, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("nobody waits"))
	do := func(ctx context.Context, fn func(storage.Tx) error) *job { return &job{ctx: ctx, fn: fn} }
	jobs := []*job{
		do(t.Context(), appendEntry("first")),
		do(t.Context(), func(tx storage.Tx) error { return errors.Join(appendEntry("taken back")(tx), refused) }),
		do(t.Context(), func(tx storage.Tx) error { _ = appendEntry("panicked")(tx); panic("boom") }),
		do(cancelled, appendEntry("too late")),
		do(t.Context(), func(tx storage.Tx) error {
			_ = appendEntry("against a constraint")(tx)
			_, err := sqlOf(tx).exec(`INSERT INTO keys (id, tenant, subject, role, speaks_for, hash, created_at) VALUES ('k','t','s','root','[]',x'00',0)`)
			return err
		}),
		do(t.Context(), appendEntry("last")),
	}
	db.commit(jobs)
	require.NoError(t, jobs[0].err)
	require.ErrorIs(t, jobs[1].err, refused)
	require.ErrorContains(t, jobs[2].err, "boom")
	require.ErrorContains(t, jobs[3].err, "nobody waits")
	require.ErrorContains(t, jobs[4].err, "constraint")
	require.NotErrorIs(t, jobs[4].err, storage.ErrUnavailable)
	require.NoError(t, jobs[5].err)
	require.Equal(t, []string{"first", "last"}, texts(t, db))
}

// A small update waits for at most one large one, and a large one is not delayed
// forever.
func TestWrite_LargeAndSmall_TakeTurns(t *testing.T) {
	db := openStore(t)
	arrive := func(names ...string) {
		for _, name := range names {
			db.queue.jobs = append(db.queue.jobs, &job{ctx: t.Context(), fn: appendEntry(name), large: name[0] == 'L'})
		}
	}
	db.queue.largeNext = false // opening the store has written
	arrive("L1", "s1", "L2", "s2")
	var order []string
	commit := func() {
		before := len(texts(t, db))
		jobs := db.takeJobs()
		db.commit(jobs)
		order = append(order, strings.Join(texts(t, db)[before:], " "))
	}
	commit()
	arrive("s3", "L3")
	commit()
	arrive("s4")
	for range 4 {
		commit()
	}
	require.Equal(t, []string{"s1 s2", "L1", "s3 s4", "L2", "L3", ""}, order)

	for i := range maxBatch + 1 {
		arrive("s" + strconv.Itoa(i))
	}
	require.Len(t, db.takeJobs(), maxBatch)
	require.Len(t, db.takeJobs(), 1)
}

// The prepared statements of a commit stay usable after one of them has failed, and
// after a job was rolled back.
func TestStatements_AfterAFailure_StayUsable(t *testing.T) {
	db := openStore(t)
	seq := 0
	insert := func(tx storage.Tx, sequence int) error {
		_, err := sqlOf(tx).exec(`INSERT INTO audit_heads (tenant, sequence, hash) VALUES (?,?,'h')`, fmt.Sprint("t", sequence), sequence)
		return err
	}
	known := func(tx storage.Tx, sequence int) (n int, err error) {
		err = sqlOf(tx).row(`SELECT count(*) FROM audit_heads WHERE sequence = ?`, sequence).Scan(&n)
		return n, err
	}
	refused := errors.New("refused")
	var jobs []*job
	for _, fails := range []error{nil, refused, nil} {
		jobs = append(jobs, &job{ctx: t.Context(), fn: func(tx storage.Tx) error {
			for range 3 {
				seq++
				if err := insert(tx, seq); err != nil {
					return err
				}
				if err := insert(tx, seq); err == nil || errors.Is(classify(err), storage.ErrUnavailable) {
					return fmt.Errorf("twice the same: %w", err)
				}
				if _, err := sqlOf(tx).exec("INSERT INTO nowhere VALUES (1)"); err == nil {
					return errors.New("there is no such table")
				}
				if n, err := known(tx, seq); err != nil || n != 1 {
					return fmt.Errorf("%d rows: %w", n, err)
				}
			}
			return fails
		}})
	}
	db.commit(jobs)
	require.NoError(t, jobs[0].err)
	require.ErrorIs(t, jobs[1].err, refused)
	require.NoError(t, jobs[2].err)
	for sequence, want := range []int{0, 1, 1, 1, 0, 0, 0, 1, 1, 1, 0} {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			n, err := known(tx, sequence)
			require.Equal(t, want, n, sequence)
			return err
		}))
	}
}

// The test limits the size of the file and raises the limit again.
func TestUpdate_FullDisk_ChangesNothing(t *testing.T) {
	db := openStore(t)
	require.NoError(t, db.Update(t.Context(), appendEntry("before")))
	limit := func(statement string) {
		_, err := db.writer.ExecContext(t.Context(), statement) // the limit applies to one connection
		require.NoError(t, err)
	}
	var pages int
	require.NoError(t, db.writer.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	limit(fmt.Sprintf("PRAGMA max_page_count = %d", pages+2))

	big := string(make([]byte, 1<<20))
	jobs := []*job{{ctx: t.Context(), fn: appendEntry("small")}, {ctx: t.Context(), fn: appendEntry(big)}, {ctx: t.Context(), fn: appendEntry("small too")}}
	db.commit(jobs)
	for _, j := range jobs {
		require.ErrorIs(t, j.err, storage.ErrUnavailable, "no write is acknowledged")
	}
	require.Equal(t, []string{"before"}, texts(t, db))

	limit("PRAGMA max_page_count = 1000000")
	require.NoError(t, db.Update(t.Context(), appendEntry("after")), "the store recovers by itself")
	require.Equal(t, []string{"before", "after"}, texts(t, db))
}

func TestMigrate_EmptyFile_HasTheWholeSchema(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	db, err := OpenBeside(t.Context(), file)
	require.NoError(t, err, "it creates the file if no server has it open")
	var synchronous, foreignKeys int
	require.NoError(t, db.sql.QueryRow("PRAGMA synchronous").Scan(&synchronous))
	require.NoError(t, db.sql.QueryRow("PRAGMA foreign_keys").Scan(&foreignKeys))
	require.Equal(t, 2, synchronous, "FULL")
	require.Equal(t, 1, foreignKeys)
	rows, err := db.sql.Query(`SELECT m.name FROM sqlite_schema m WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose_%'
		AND m.name NOT IN ('identity', 'installation', 'installation_keys', 'webhook_counts') -- which belong to the file, not to a tenant
		AND NOT EXISTS (SELECT 1 FROM pragma_table_info(m.name) WHERE name = 'tenant' AND "notnull" = 1)`)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	require.False(t, rows.Next(), "every table has a tenant column")
	require.NoError(t, rows.Err())

	_, err = db.sql.Exec("DELETE FROM goose_db_version WHERE version_id > 0")
	require.NoError(t, err)
	_, err = OpenBeside(t.Context(), file)
	require.ErrorContains(t, err, "the schema is older than this program")
	require.NoError(t, db.Close())
}

// The test changes an entry and gives it the hash of its new content: the next
// entry still has the old hash.
func TestVerify_RewrittenEntry_IsFound(t *testing.T) {
	db := openStore(t)
	for i := range 3 {
		require.NoError(t, db.Update(t.Context(), appendEntry(strconv.Itoa(i))))
	}
	var entries []aureus.AuditRecord
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		entries, err = tx.Audit().List("default", storage.AuditFilter{Limit: 10})
		return err
	}))
	forged := entries[1]
	forged.By = "someone else"
	_, err := db.sql.Exec(`DROP TRIGGER audit_no_update; UPDATE audit SET by = ?, hash = ? WHERE sequence = 2`,
		forged.By, storage.AuditRow{Entry: forged, Details: `{"text":"1"}`}.Hash("default"))
	require.NoError(t, err)
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.False(t, v.Valid)
	require.EqualValues(t, 3, v.FirstInvalid)
}

func BenchmarkWrite(b *testing.B) {
	for name, parallel := range map[string]int{"one at a time": 0, "64 at once": 32} {
		b.Run(name, func(b *testing.B) {
			db := openStore(b)
			b.ReportAllocs()
			if parallel == 0 {
				for b.Loop() {
					require.NoError(b, db.Update(b.Context(), appendEntry("x")))
				}
				return
			}
			b.SetParallelism(parallel)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := db.Update(context.Background(), appendEntry("x")); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
