package sqlite

import (
	"database/sql"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// The ended runs of a tenant are limited in number and in bytes. Beyond a limit,
// the oldest run of the subject with the most runs or bytes is deleted. Runs that
// have not ended, and the run that has just ended, are kept.
func TestRunQuota_EndedRuns_AreForgottenOfTheSubjectThatHasMost(t *testing.T) {
	db := openStore(t)
	kept := func() (ids []string) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			return sqlOf(tx).each(func(rows *sql.Rows) error {
				var id string
				err := rows.Scan(&id)
				ids = append(ids, id)
				return err
			}, `SELECT run_id FROM runs WHERE tenant = 't' ORDER BY seq`)
		}))
		return ids
	}
	end := func(id string, result int) {
		write(t, db, func(tx storage.Tx) error {
			return tx.Runs().Save("t", id, "{}", true, map[string]string{"task": `"` + strings.Repeat("x", result) + `"`})
		})
	}
	for _, id := range []string{"b1", "a1", "a2", "a3", "open"} {
		addRun(t, db, id, "t", id[:1], id)
	}
	addRun(t, db, "other", "other", "a", "w")
	for id, size := range map[string]int{"b1": 500, "a1": 1000, "a2": 100, "a3": 100} {
		end(id, size)
	}
	forget := func(except string, most, bytes int64) {
		write(t, db, func(tx storage.Tx) error { return runs{sqlOf(tx)}.forgetRuns("t", except, most, bytes) })
	}
	forget("", 4, 1718+6)
	require.Equal(t, []string{"b1", "a1", "a2", "a3", "open"}, kept(), "all are within the limits")
	forget("", 3, 1<<20)
	require.Equal(t, []string{"b1", "a2", "a3", "open"}, kept(), "the oldest run of the subject with the most runs is deleted")
	forget("b1", 10, 600)
	require.Equal(t, []string{"b1", "open"}, kept(), "the run that has just ended is kept")
	forget("", 10, 500)
	require.Equal(t, []string{"open"}, kept())
	var tasks int
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error { return sqlOf(tx).row(`SELECT count(*) FROM run_tasks`).Scan(&tasks) }))
	require.Zero(t, tasks)
}

func write(t *testing.T, db *DB, fn func(storage.Tx) error) {
	t.Helper()
	require.NoError(t, db.Update(t.Context(), fn))
}

func addRun(t *testing.T, db *DB, id, tenant, subject, workflow string) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error {
		return tx.Runs().Add(storage.Run{ID: id, Tenant: tenant, Subject: subject, KeyID: "key_" + subject, WorkflowID: workflow, Caller: "{}", Request: "{}", State: "{}"})
	})
}

// When runs are deleted, their tasks are deleted too.
func TestRuns_DeletedBeyondTheBound_LeaveNoTasks(t *testing.T) {
	db := openStore(t)
	for i := range storage.KeptRuns + 2 {
		id := "r" + strconv.Itoa(i)
		addRun(t, db, id, "t", "s", "w")
		write(t, db, func(tx storage.Tx) error { return tx.Runs().Save("t", id, "{}", true, map[string]string{"task": "{}"}) })
	}
	addRun(t, db, "last", "t", "s", "w")
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		var tasks, orphans int
		err := sqlOf(tx).row(`SELECT count(*), count(*) FILTER (WHERE run_id NOT IN (SELECT run_id FROM runs)) FROM run_tasks`).Scan(&tasks, &orphans)
		require.Equal(t, []int{storage.KeptRuns - 1, 0}, []int{tasks, orphans})
		return err
	}))
}

// The number of results of each subject is limited separately.
func TestTaskResults_BeyondTheBound_OldestOfTheSubjectGoFirst(t *testing.T) {
	db := openStore(t)
	write(t, db, func(tx storage.Tx) error {
		_, err := sqlOf(tx).exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO task_results (tenant, subject, principal, task_key, content, result, run_id, task_id, committed_at)
			SELECT 't', CASE WHEN i = 1 THEN 'other' ELSE 's' END, 'p', 'k' || i, x'01', '1', 'r', 'a', ? FROM n`, storage.KeptTaskResults+1, noon.UnixNano())
		return err
	})
	write(t, db, func(tx storage.Tx) error {
		return tx.Runs().AddResult(storage.TaskResult{TaskKey: storage.TaskKey{Tenant: "t", Subject: "s", Principal: "p", Key: "new"}, Content: []byte{1}, Result: "1", RunID: "r", TaskID: "a", CommittedAt: noon})
	})
	known := func(subject, key string) bool {
		err := db.View(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Runs().Result(storage.TaskKey{Tenant: "t", Subject: subject, Principal: "p", Key: key}, noon)
			return err
		})
		return err == nil
	}
	require.False(t, known("s", "k2"), "the oldest result of the subject is deleted")
	require.True(t, known("s", "k3"))
	require.True(t, known("s", "new"))
	require.True(t, known("other", "k1"))
}

// Of a subject's large results, fewer are kept, so that the size of all its results
// is limited.
func TestTaskResults_LargeOnesBeyondTheLimit_OldestOfTheSubjectGoFirst(t *testing.T) {
	require.Equal(t, 65536, storage.LargeTaskResult, "the number in the index task_results_large and in its query")
	db := openStore(t)
	large := `"` + strings.Repeat("x", storage.LargeTaskResult) + `"`
	write(t, db, func(tx storage.Tx) error {
		_, err := sqlOf(tx).exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < ?)
			INSERT INTO task_results (tenant, subject, principal, task_key, content, result, run_id, task_id, committed_at)
			SELECT 't', CASE WHEN i = 1 THEN 'other' ELSE 's' END, 'p', 'k' || i, x'01', CASE WHEN i = 2 THEN '1' ELSE ? END, 'r', 'a', ? FROM n`,
			storage.KeptLargeTaskResults+2, large, noon.UnixNano())
		return err
	})
	write(t, db, func(tx storage.Tx) error {
		return tx.Runs().AddResult(storage.TaskResult{TaskKey: storage.TaskKey{Tenant: "t", Subject: "s", Principal: "p", Key: "new"}, Content: []byte{1}, Result: large, RunID: "r", TaskID: "a", CommittedAt: noon})
	})
	var left []string
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		left = nil
		return sqlOf(tx).each(func(rows *sql.Rows) error {
			var key string
			err := rows.Scan(&key)
			left = append(left, key)
			return err
		}, `SELECT task_key FROM task_results ORDER BY seq`)
	}))
	require.Len(t, left, storage.KeptLargeTaskResults+2)
	require.Equal(t, []string{"k1", "k2", "k4"}, left[:3], "the small result is kept, and so is that of the other subject")
	require.Equal(t, "new", left[len(left)-1])
}
