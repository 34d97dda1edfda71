package storagetest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var decisionTests = []func(t *testing.T, open Open){outcomesAreStoredOnce, earlyOutcomesAreSettled}

func decided(t *testing.T, subject string) storage.Decision {
	t.Helper()
	d, err := storage.DecisionOf(aureus.DecisionRecord{DecisionID: aureus.NewDecisionID(noon), Principal: "p", Action: "a", Effect: "allow"}, subject)
	require.NoError(t, err)
	return d
}

func addDecision(tx storage.Tx, d storage.Decision) error {
	_, err := tx.Decisions().Add("default", noon, d, aureus.AuditRecord{
		Kind: vocab.AuditDecision, DecisionID: d.ID, Principal: d.Principal, Action: d.Action, Decision: d.Effect, By: d.Subject,
	})
	return err
}

func valid(t *testing.T, db storage.Store) {
	t.Helper()
	v, err := storage.VerifyAudit(t.Context(), db, "default")
	require.NoError(t, err)
	require.True(t, v.Valid, v.FirstInvalid)
}

// The same outcome may be reported again; another one is a conflict.
func outcomesAreStoredOnce(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	d := decided(t, "svc")
	add := func(status string) error {
		return db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Decisions().AddOutcome("default", noon, d, storage.Outcome{DecisionID: d.ID, Status: status, By: storage.Actor{KeyID: "k", Subject: "svc"}})
		})
	}
	write(t, db, func(tx storage.Tx) error { return addDecision(tx, d) })
	require.NoError(t, add("success"))
	require.NoError(t, add("success"))
	require.ErrorIs(t, add("failed"), storage.ErrConflict)
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditOutcome, Limit: 10})
		require.Len(t, list, 1)
		require.Equal(t, []string{"success", "p", "a", "svc"}, []string{list[0].Decision, list[0].Principal, list[0].Action, list[0].By})
		return err
	}))
	valid(t, db)
}

// Of the early outcomes of a decision, that of its own subject is chosen, or else the
// first trusted one.
func earlyOutcomesAreSettled(t *testing.T, open Open) {
	type told struct {
		subject, status string
		trusted         bool
	}
	for name, row := range map[string]struct {
		told []told
		want string
	}{
		"the decision's own subject":                       {[]told{{"other", "failed", true}, {"svc", "success", false}}, "success"},
		"the first trusted subject":                        {[]told{{"a", "failed", false}, {"c", "success", true}, {"d", "timeout", true}}, "success"},
		"no trusted subject":                               {[]told{{"a", "failed", false}}, ""},
		"the decision's own subject, if it is trusted too": {[]told{{"svc", "success", true}, {"zz", "failed", true}}, "success"},
		"no early outcome":                                 {nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			db := open(t, storage.Options{})
			d := decided(t, "svc")
			for _, early := range row.told {
				outcome := storage.Outcome{DecisionID: d.ID, Status: early.status, By: storage.Actor{KeyID: "k", Subject: early.subject}, Trusted: early.trusted, Details: map[string]any{"n": "1"}}
				write(t, db, func(tx storage.Tx) error { return tx.Decisions().AddEarlyOutcome("default", noon, outcome) })
				write(t, db, func(tx storage.Tx) error { return tx.Decisions().AddEarlyOutcome("default", noon, outcome) })
				outcome.Status = "another"
				require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Decisions().AddEarlyOutcome("default", noon, outcome) }), storage.ErrConflict)
			}
			write(t, db, func(tx storage.Tx) error {
				if err := addDecision(tx, d); err != nil {
					return err
				}
				return tx.Decisions().SettleOutcomes("default", noon, d)
			})
			require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
				status, err := storage.RowsOf(tx).Decisions().Outcome("default", d.ID)
				if row.want == "" {
					require.ErrorIs(t, err, storage.ErrNotFound)
				} else {
					require.NoError(t, err)
				}
				require.Equal(t, row.want, status)
				for _, early := range row.told {
					found, err := tx.Decisions().HasEarlyOutcome("default", d.ID, early.subject)
					require.NoError(t, err)
					require.False(t, found)
				}
				list, err := tx.Audit().List("default", storage.AuditFilter{Kind: vocab.AuditOutcome, Limit: 10})
				settled := 0
				for _, e := range list {
					require.Equal(t, "1", e.Details["n"])
					if early, _ := e.Details["early"].(bool); !early {
						settled++
					}
				}
				require.Equal(t, row.want != "", settled == 1)
				return err
			}))
			valid(t, db)
		})
	}
}
