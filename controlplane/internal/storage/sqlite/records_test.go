package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// If the writing connection has been closed, the next update opens a new one.
func TestStore_WriterConnectionClosed_OpensAnother(t *testing.T) {
	db := openStore(t)
	require.NoError(t, db.Update(t.Context(), appendEntry("first")))
	require.NoError(t, db.writer.Close())
	require.NoError(t, db.Update(t.Context(), appendEntry("second")))
	require.Equal(t, []string{"first", "second"}, texts(t, db))
	require.NoError(t, db.Ready(t.Context()))
}

// The test makes SQLite refuse writes. The tests of the command use real disks.
func TestReady_StoreWithoutWrites_IsAnError(t *testing.T) {
	db := openStore(t)
	refuse := func(statement string) {
		_, err := db.writer.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	nothing := func(storage.Tx) error { return nil }
	refused := errors.New("refused")
	refuse("PRAGMA query_only = 1")
	require.NoError(t, db.Ready(t.Context()), "no write has failed yet")
	require.ErrorIs(t, db.Update(t.Context(), appendEntry("x")), storage.ErrUnavailable)
	require.ErrorIs(t, db.Ready(t.Context()), storage.ErrUnavailable)
	for _, write := range []func(storage.Tx) error{nothing, func(storage.Tx) error { return refused }} {
		require.ErrorIs(t, db.Update(t.Context(), write), storage.ErrUnavailable, "an update without changes does not show that the file can be written")
		require.ErrorIs(t, db.Ready(t.Context()), storage.ErrUnavailable)
	}

	refuse("PRAGMA query_only = 0")
	require.Eventually(t, func() bool { return db.Ready(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond, "Ready tries a write itself")

	refuse("PRAGMA query_only = 1")
	require.ErrorIs(t, db.Update(t.Context(), appendEntry("x")), storage.ErrUnavailable)
	refuse("PRAGMA query_only = 0")
	require.ErrorIs(t, db.Update(t.Context(), func(storage.Tx) error { return refused }), refused)
	require.NoError(t, db.Ready(t.Context()), "a successful commit clears the failure")
	require.Empty(t, texts(t, db))
}

// SQL statements can only append entries to the audit log: UPDATE, DELETE, REPLACE
// and an INSERT before the first entry fail.
func TestAuditLog_TakesOnlyWhatIsAppended(t *testing.T) {
	db := openStore(t)
	for _, text := range []string{"first", "second"} {
		require.NoError(t, db.Update(t.Context(), appendEntry(text)))
	}
	columns := `tenant, %s, at, kind, decision_id, principal, on_behalf_of, action, decision, reason_code, from_state, to_state, action_digest, approval_id, by, key_id, details, previous_hash, hash`
	into := `INTO audit (` + fmt.Sprintf(columns, "sequence") + `) SELECT ` + columns + ` FROM audit WHERE sequence = 2`
	for _, statement := range []string{
		`UPDATE audit SET details = ''`, `DELETE FROM audit WHERE sequence = 2`,
		fmt.Sprintf(`REPLACE `+into, "1"), fmt.Sprintf(`INSERT OR REPLACE `+into, "2"), fmt.Sprintf(`INSERT `+into, "0"),
	} {
		_, err := db.writer.ExecContext(t.Context(), statement)
		require.ErrorContains(t, err, "append-only", statement)
	}
	require.Equal(t, []string{"first", "second"}, texts(t, db))
}

// Each filter uses an index, so that no query reads the whole log.
func TestAudit_EachFilterHasAnIndex(t *testing.T) {
	db := openStore(t)
	for name, f := range map[string]storage.AuditFilter{
		"audit_trace": {TraceID: "t"}, "audit_decision": {DecisionID: aureus.NewDecisionID(noon)}, "audit_verdict": {Decision: "deny"},
		"audit_kind": {Kind: "decision"}, "audit_principal": {Principal: "p"}, "audit_action": {Action: "a"},
	} {
		query, args := auditQuery(f, "default")
		var plan string
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			return sqlOf(tx).each(func(rows *sql.Rows) error {
				var id, parent, unused int
				var detail string
				err := rows.Scan(&id, &parent, &unused, &detail)
				plan += detail
				return err
			}, "EXPLAIN QUERY PLAN "+query, args...)
		}))
		require.Contains(t, plan, "INDEX "+name, name)
	}
}
