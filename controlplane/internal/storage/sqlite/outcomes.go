package sqlite

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// AddOutcome implements [storage.Decisions].
func (t decisions) AddOutcome(tenant string, now time.Time, d storage.Decision, o storage.Outcome) error {
	n, err := t.changed(`INSERT INTO outcomes (tenant, decision_id, status, at, sequence) VALUES (?,?,?,?,`+nextSequence+`) ON CONFLICT DO NOTHING`,
		tenant, o.DecisionID.String(), o.Status, now.UnixNano(), tenant)
	if err != nil {
		return err
	}
	if n == 0 {
		return t.sameStatus(o.Status, `SELECT status FROM outcomes WHERE tenant = ? AND decision_id = ?`, tenant, o.DecisionID.String())
	}
	entry := o.Entry()
	entry.Principal, entry.Action = d.Principal, d.Action
	return t.audit().Append(tenant, now, entry)
}

// AddEarlyOutcome implements [storage.Decisions].
func (t decisions) AddEarlyOutcome(tenant string, now time.Time, o storage.Outcome) error {
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
	entry := o.Entry()
	entry.Details["early"] = true
	return t.audit().Append(tenant, now, entry)
}

// HasEarlyOutcome implements [storage.Decisions].
func (t decisions) HasEarlyOutcome(tenant string, id aureus.DecisionID, subject string) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM early_outcomes WHERE tenant = ? AND decision_id = ? AND subject = ?)`,
		tenant, id.String(), subject).Scan(&found)
	return found, err
}

// SettleOutcomes implements [storage.Decisions].
func (t decisions) SettleOutcomes(tenant string, now time.Time, d storage.Decision) error {
	var stands *storage.Outcome
	found := false
	err := t.each(func(rows *sql.Rows) error {
		o := storage.Outcome{DecisionID: d.ID}
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

func (t decisions) sameStatus(status, query string, args ...any) error {
	var known string
	err := t.row(query, args...).Scan(&known)
	if err == nil && known != status {
		err = storage.ErrConflict
	}
	return err
}
