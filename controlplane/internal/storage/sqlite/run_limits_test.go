package sqlite

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Runs that have not ended are bounded for a subject and for its tenant, and a
// subject or a tenant that has used up its own takes nothing from another.
func TestRunQuota_OpenRuns_AreBoundedForASubjectAndATenant(t *testing.T) {
	db := openStore(t)
	quota := storage.RunQuota{Subject: 3, Bytes: 100, Tenant: 5, Beyond: 1}
	room := func(tenant, subject string, size int) error {
		return db.View(t.Context(), func(tx storage.Tx) error {
			open, err := tx.Runs().CountOpen(tenant, subject)
			if err != nil {
				return err
			}
			return quota.Room(open, size)
		})
	}
	for _, id := range []string{"a1", "a2", "a3"} {
		require.NoError(t, room("t", "a", 2))
		addRun(t, db, id, "t", "a", id)
	}
	require.ErrorIs(t, room("t", "a", 2), storage.ErrTooManyRuns)
	require.NoError(t, room("t", "b", 2), "another subject")
	require.NoError(t, room("other", "a", 2), "another tenant")
	addRun(t, db, "b1", "t", "b", "b1")
	addRun(t, db, "b2", "t", "b", "b2")
	require.ErrorIs(t, room("t", "b", 2), storage.ErrTooManyRuns, "the tenant has as many as it may")
	require.NoError(t, room("t", "c", 2), "and yet each of its subjects may have one")
	require.NoError(t, room("other", "b", 2))

	endRun(t, db, "t", "a1")
	require.NoError(t, room("t", "b", 2), "what has ended does not count")
	require.NoError(t, room("t", "a", 96))
	require.ErrorIs(t, room("t", "a", 97), storage.ErrTooManyRuns, "the texts of two take 4 bytes")
}

// What a tenant keeps of ended runs is bounded, in runs and in bytes. The subject
// that has most loses its oldest: it does not push out what another has, nor what
// is under way, nor the run that has just ended.
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
	require.Equal(t, []string{"b1", "a1", "a2", "a3", "open"}, kept(), "all are within")
	forget("", 3, 1<<20)
	require.Equal(t, []string{"b1", "a2", "a3", "open"}, kept(), "that of the subject with most runs")
	forget("b1", 10, 600)
	require.Equal(t, []string{"b1", "open"}, kept(), "not the one that has just ended")
	forget("", 10, 500)
	require.Equal(t, []string{"open"}, kept())
	var tasks int
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error { return sqlOf(tx).row(`SELECT count(*) FROM run_tasks`).Scan(&tasks) }))
	require.Zero(t, tasks)
}
