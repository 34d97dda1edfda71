package store

import (
	"database/sql"
	"fmt"
	"maps"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Outcome is what somebody reported to have become of a decision.
type Outcome struct {
	DecisionID aureus.DecisionID
	Status     string
	By         Actor
	Trusted    bool           // whether By may speak of the decisions of others
	Details    map[string]any // for the audit log
}

// AddOutcome writes down what became of a decision, once: with its entry in the
// audit log. It does nothing where the same is known already, and fails with
// ErrConflict where something else is.
func (t *Tx) AddOutcome(tenant string, now time.Time, d Decision, o Outcome) error {
	n, err := t.changed(`INSERT INTO outcomes (tenant, decision_id, status, at, sequence) VALUES (?,?,?,?,`+nextSequence+`) ON CONFLICT DO NOTHING`,
		tenant, o.DecisionID.String(), o.Status, now.UnixNano(), tenant)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.sameStatus(o.Status, `SELECT status FROM outcomes WHERE tenant = ? AND decision_id = ?`, tenant, o.DecisionID.String())
	}
	entry := outcomeEntry(o)
	entry.Principal, entry.Action = d.Principal, d.Action
	return t.AppendAudit(tenant, now, entry)
}

// AddEarlyOutcome writes down an outcome whose decision is not there yet, once a
// subject. The audit log shows it as early: it stands only if SettleOutcomes
// says so.
func (t *Tx) AddEarlyOutcome(tenant string, now time.Time, o Outcome) error {
	details, err := strictjson.Marshal(o.Details)
	if err != nil {
		return fmt.Errorf("writing an outcome: %w", err)
	}
	n, err := t.changed(`INSERT INTO early_outcomes (tenant, decision_id, subject, key_id, trusted, status, details, at) VALUES (?,?,?,?,?,?,?,?)
		ON CONFLICT DO NOTHING`, tenant, o.DecisionID.String(), o.By.Subject, o.By.KeyID, o.Trusted, o.Status, string(details), now.UnixNano())
	if err != nil {
		return err
	}
	if n == 0 {
		return t.sameStatus(o.Status, `SELECT status FROM early_outcomes WHERE tenant = ? AND decision_id = ? AND subject = ?`,
			tenant, o.DecisionID.String(), o.By.Subject)
	}
	entry := outcomeEntry(o)
	entry.Details["early"] = true
	return t.AppendAudit(tenant, now, entry)
}

// HasEarlyOutcome reports whether the subject has told of the decision's outcome
// before the decision is there.
func (t *Tx) HasEarlyOutcome(tenant string, id aureus.DecisionID, subject string) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM early_outcomes WHERE tenant = ? AND decision_id = ? AND subject = ?)`,
		tenant, id.String(), subject).Scan(&found)
	return found, err
}

// SettleOutcomes is for a decision that has just been added. Of the outcomes
// that came before it, the one of the decision's own subject stands, or else one
// of somebody who may speak of the decisions of others; it is written down again,
// as what became of the decision. What anybody else said does not count.
func (t *Tx) SettleOutcomes(tenant string, now time.Time, d Decision) error {
	var stands *Outcome
	found := false
	err := t.each(func(rows *sql.Rows) error {
		o := Outcome{DecisionID: d.ID}
		var details string
		if err := rows.Scan(&o.By.Subject, &o.By.KeyID, &o.Trusted, &o.Status, &details); err != nil {
			return err
		}
		found = true
		if o.By.Subject == d.Subject || (o.Trusted && stands == nil) {
			stands = &o
		}
		return strictjson.Unmarshal([]byte(details), &o.Details)
	}, `SELECT subject, key_id, trusted, status, details FROM early_outcomes WHERE tenant = ? AND decision_id = ? ORDER BY subject = ?, subject`,
		tenant, d.ID.String(), d.Subject) // its own comes last, and wins
	if err != nil || !found {
		return err
	}
	if _, err := t.exec(`DELETE FROM early_outcomes WHERE tenant = ? AND decision_id = ?`, tenant, d.ID.String()); err != nil || stands == nil {
		return err
	}
	return t.AddOutcome(tenant, now, d, *stands)
}

func (t *Tx) sameStatus(status, query string, args ...any) error {
	var known string
	err := t.row(query, args...).Scan(&known)
	if err == nil && known != status {
		err = ErrConflict
	}
	return err
}

func outcomeEntry(o Outcome) aureus.AuditRecord {
	return aureus.AuditRecord{
		Kind: aureus.AuditOutcome, DecisionID: o.DecisionID, Decision: o.Status, By: o.By.Subject, KeyID: o.By.KeyID,
		Details: maps.Clone(o.Details),
	}
}
