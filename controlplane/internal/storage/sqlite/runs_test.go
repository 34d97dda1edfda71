package sqlite

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// schemaVersion migrates the file down to an older version of the schema.
func schemaVersion(t *testing.T, file string, version int64) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	folder, err := fs.Sub(migrations, "migrations")
	require.NoError(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, folder, goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = provider.DownTo(t.Context(), version)
	require.NoError(t, err)
}

// Runs that an older version stored as a single text keep the states of their
// tasks, with every digit of their numbers.
func TestMigrate_RunsOfAnOlderSchema_KeepTheirTasks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.db")
	tasks := map[string]string{
		"a":        `{"status":"completed","result":{"n":1.0,"big":1000000000000000000000000000001,"text":"ü\n\"</"}}`,
		`"q" ü\`:   `{"status":"failed","error":"no"}`,
		"a.b[0] $": `{"status":"running"}`,
	}
	db, err := Open(t.Context(), file, storage.Options{})
	require.NoError(t, err)
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for _, id := range []string{"r", "without"} {
			if err := tx.Runs().Add(storage.Run{ID: id, Tenant: "t", WorkflowID: id, State: `{"status":"running"}`}); err != nil {
				return err
			}
		}
		return tx.Runs().Save("t", "r", `{"status":"running","current":"a"}`, false, tasks)
	}))
	require.NoError(t, db.Close())
	schemaVersion(t, file, 4)
	raw, err := sql.Open("sqlite", file)
	require.NoError(t, err)
	var state string
	require.NoError(t, raw.QueryRowContext(t.Context(), `SELECT state FROM runs WHERE run_id = 'r'`).Scan(&state))
	require.Contains(t, state, `"tasks":{`)
	require.Contains(t, state, `1000000000000000000000000000001`)
	require.NoError(t, raw.Close())

	db, err = Open(t.Context(), file, storage.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	var open []storage.Run
	err = db.View(t.Context(), func(tx storage.Tx) (err error) {
		open, err = tx.Runs().ListOpen()
		return err
	})
	require.NoError(t, err)
	require.Len(t, open, 2)
	require.Equal(t, tasks, open[0].Tasks)
	require.JSONEq(t, `{"status":"running","current":"a"}`, open[0].State)
	require.Empty(t, open[1].Tasks)
}

// The number of ended runs of a tenant is limited, even if each belongs to another
// workflow. Runs that have not ended, and runs of other tenants, are kept.
func TestRuns_EndedOfATenant_AreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	db := openStore(t)
	count := func(where string, args ...any) (n int) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			return sqlOf(tx).row(`SELECT count(*) FROM runs WHERE `+where, args...).Scan(&n)
		}))
		return n
	}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for _, tenant := range []string{"t", "other"} {
			if _, err := sqlOf(tx).exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
				INSERT INTO runs (run_id, tenant, workflow_id, ended, caller, request, state, started_at)
				SELECT ? || i, ?, 'w' || i, i > 3, '{}', '{}', '{}', 0 FROM n`, storage.KeptRunsOfTenant+8, tenant, tenant); err != nil {
				return err
			}
		}
		_, err := sqlOf(tx).exec(`INSERT INTO run_tasks (tenant, run_id, task_id, state) SELECT tenant, run_id, 'a', '{}' FROM runs`)
		return err
	}))
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		return tx.Runs().Add(storage.Run{ID: "new", Tenant: "t", WorkflowID: "new", State: "{}"})
	}))
	require.Equal(t, storage.KeptRunsOfTenant, count(`tenant = 't' AND ended = 1`))
	require.Equal(t, 4, count(`tenant = 't' AND ended = 0`))
	require.Equal(t, storage.KeptRunsOfTenant+8, count(`tenant = 'other'`))
	require.Zero(t, count(`tenant = 't' AND run_id IN ('t4', 't8')`), "the oldest are deleted first")
	var tasks int
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		return sqlOf(tx).row(`SELECT count(*) FROM run_tasks WHERE run_id NOT IN (SELECT run_id FROM runs)`).Scan(&tasks)
	}))
	require.Zero(t, tasks, "their tasks are deleted too")
}
