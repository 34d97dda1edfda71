package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// TestAPersonCountsOnce needs two, and gets one under three spellings.
func TestAPersonCountsOnce(t *testing.T) {
	db := openStore(t)
	asked := aureus.Approval{
		ID: "apr", Principal: aureus.Principal{ID: "agent", Type: "agent"}, ActionDigest: aureus.Digest{7},
		Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierHigh}, RiskTier: aureus.TierHigh,
	}
	decide := func(key, subject string) (a aureus.Approval, err error) {
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			a, err = tx.Approvals().Decide("default", noon, storage.Actor{KeyID: key, Subject: subject}, "apr", true, asked.ActionDigest, "", hour)
			return err
		})
		return a, err
	}
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		if _, _, err := askFor(tx, noon, storage.Actor{KeyID: "k0", Subject: "svc"}, asked); err != nil {
			return err
		}
		_, err := sqlOf(tx).exec(`UPDATE approvals SET quorum_needed = 2`)
		return err
	}))
	a, err := decide("k1", "Olga")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalPending, a.Status)
	for key, subject := range map[string]string{"k1": "Olga", "k2": "olga", "k3": "OLGA", "k4": " Olga"} {
		_, err = decide(key, subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%q", subject)
	}
	_, err = decide("k5", "SVC")
	require.ErrorIs(t, err, storage.ErrRequester)
	for i, subject := range []string{"\uff2flga", "Ol\u200bga", "\u202eOlga", "Olga\u00a0", "OLGA\ufe0f"} { // keys that an older version has made
		_, err = decide("older"+strconv.Itoa(i), subject)
		require.ErrorIs(t, err, storage.ErrConflict, "%+q", subject)
	}

	// What an older version has let in counts once as well.
	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := sqlOf(tx).exec(`INSERT INTO approval_decisions (tenant, approval_id, decided_by, key_id, decided_at, verdict, comment)
			VALUES ('default', 'apr', 'olga', 'k2', 1, 'approve', '')`)
		return err
	}))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		a, err = tx.Approvals().Get("default", noon, "apr", nil)
		return err
	}))
	require.Len(t, a.Decisions, 2)
	require.Equal(t, aureus.Quorum{Needed: 2, Have: 1}, a.Quorum)

	a, err = decide("k6", "Otto")
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, a.Status)
	require.Equal(t, 2, a.Quorum.Have)
}

// A decision that an older version has written down, of which less is known, is
// known again by that.
func TestADecisionOfAnOlderVersion(t *testing.T) {
	db := openStore(t)
	record := aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "allow", Rule: "r"}
	add := func(record aureus.DecisionRecord) (added bool, err error) {
		d, err := storage.DecisionOf(record, "svc")
		require.NoError(t, err)
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			added, err = tx.Decisions().Add("default", noon, d, aureus.AuditRecord{Kind: vocab.AuditDecision, DecisionID: d.ID, Decision: d.Effect})
			return err
		})
		return added, err
	}
	added, err := add(record)
	require.NoError(t, err)
	require.True(t, added)
	other := record
	other.Rule = "another"
	_, err = add(other)
	require.ErrorIs(t, err, storage.ErrConflict)

	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := sqlOf(tx).exec(`UPDATE decisions SET content = ''`)
		return err
	}))
	added, err = add(other)
	require.NoError(t, err, "nobody knows better")
	require.False(t, added)
	other.Effect = "deny"
	_, err = add(other)
	require.ErrorIs(t, err, storage.ErrConflict)
}

// A connection that has been given up does not keep the store from writing.
func TestAnotherConnectionWrites(t *testing.T) {
	db := openStore(t)
	require.NoError(t, db.Update(t.Context(), appendEntry("first")))
	require.NoError(t, db.writer.Close())
	require.NoError(t, db.Update(t.Context(), appendEntry("second")))
	require.Equal(t, []string{"first", "second"}, texts(t, db))
	require.NoError(t, db.Ready(t.Context()))
}

// TestReadinessOfAStoreThatTakesNoWrites lets the engine refuse them; what real
// disks do is tested with the command.
func TestReadinessOfAStoreThatTakesNoWrites(t *testing.T) {
	db := openStore(t)
	refuse := func(statement string) {
		_, err := db.writer.ExecContext(t.Context(), statement)
		require.NoError(t, err)
	}
	nothing := func(storage.Tx) error { return nil }
	refused := errors.New("refused")
	refuse("PRAGMA query_only = 1")
	require.NoError(t, db.Ready(t.Context()), "nobody has found out yet")
	require.ErrorIs(t, db.Update(t.Context(), appendEntry("x")), storage.ErrUnavailable)
	require.ErrorIs(t, db.Ready(t.Context()), storage.ErrUnavailable)
	for _, write := range []func(storage.Tx) error{nothing, func(storage.Tx) error { return refused }} {
		require.ErrorIs(t, db.Update(t.Context(), write), storage.ErrUnavailable, "what changes nothing is no proof")
		require.ErrorIs(t, db.Ready(t.Context()), storage.ErrUnavailable)
	}

	refuse("PRAGMA query_only = 0")
	require.Eventually(t, func() bool { return db.Ready(t.Context()) == nil }, 10*time.Second, 10*time.Millisecond, "without any other write")

	refuse("PRAGMA query_only = 1")
	require.ErrorIs(t, db.Update(t.Context(), appendEntry("x")), storage.ErrUnavailable)
	refuse("PRAGMA query_only = 0")
	require.ErrorIs(t, db.Update(t.Context(), func(storage.Tx) error { return refused }), refused)
	require.NoError(t, db.Ready(t.Context()), "a commit is news as well")
	require.Empty(t, texts(t, db))
}

// The log cannot be changed by any plain statement, REPLACE among them.
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

// Each filter has an index: none reads the whole log.
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

// Appends that come at the same time make one chain.
func TestAuditLog_ParallelAppendsDoNotFork(t *testing.T) {
	db := openStore(t)
	const tenants, each = 3, 60
	var all sync.WaitGroup
	for n := range tenants * each {
		all.Go(func() {
			tenant := fmt.Sprintf("t%d", n%tenants)
			if err := db.Update(t.Context(), func(tx storage.Tx) error { return tx.Audit().Append(tenant, noon, entry(strconv.Itoa(n))) }); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for n := range tenants {
		v, err := storage.VerifyAudit(t.Context(), db, fmt.Sprintf("t%d", n))
		require.NoError(t, err)
		require.True(t, v.Valid)
		require.EqualValues(t, each, v.Entries)
	}
}
