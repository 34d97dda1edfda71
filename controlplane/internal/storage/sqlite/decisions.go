package sqlite

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Get implements [storage.DecisionRows].
func (t decisions) Get(tenant string, id aureus.DecisionID) (storage.Decision, error) {
	d := storage.Decision{ID: id}
	err := t.row(`SELECT principal, action, effect, subject, content FROM decisions WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).
		Scan(&d.Principal, &d.Action, &d.Effect, &d.Subject, &d.Content)
	return d, found(err)
}

// found replaces sql.ErrNoRows by storage.ErrNotFound.
func found(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return storage.ErrNotFound
	}
	return err
}

// Add implements [storage.DecisionRows].
func (t decisions) Add(tenant string, now time.Time, d storage.Decision, sequence int64) error {
	_, err := t.exec(`INSERT INTO decisions (tenant, decision_id, principal, action, effect, subject, content, at, sequence) VALUES (?,?,?,?,?,?,?,?,?)`,
		tenant, d.ID.String(), d.Principal, d.Action, d.Effect, d.Subject, d.Content, now.UnixNano(), sequence)
	return err
}

// Outcome implements [storage.DecisionRows].
func (t decisions) Outcome(tenant string, id aureus.DecisionID) (status string, err error) {
	err = t.row(`SELECT status FROM outcomes WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).Scan(&status)
	return status, found(err)
}

// AddOutcome implements [storage.DecisionRows].
func (t decisions) AddOutcome(tenant string, now time.Time, id aureus.DecisionID, status string, sequence int64) error {
	_, err := t.exec(`INSERT INTO outcomes (tenant, decision_id, status, at, sequence) VALUES (?,?,?,?,?)`,
		tenant, id.String(), status, now.UnixNano(), sequence)
	return err
}

// EarlyOutcome implements [storage.DecisionRows].
func (t decisions) EarlyOutcome(tenant string, id aureus.DecisionID, subject string) (status string, err error) {
	err = t.row(`SELECT status FROM early_outcomes WHERE tenant = ? AND decision_id = ? AND subject = ?`, tenant, id.String(), subject).Scan(&status)
	return status, found(err)
}

// EarlyOutcomes implements [storage.DecisionRows].
func (t decisions) EarlyOutcomes(tenant string, id aureus.DecisionID) (list []storage.Outcome, err error) {
	err = t.each(func(rows *sql.Rows) error {
		o := storage.Outcome{DecisionID: id}
		var details string
		if err := rows.Scan(&o.By.Subject, &o.By.KeyID, &o.Trusted, &o.Status, &details); err != nil {
			return err
		}
		err := strictjson.Unmarshal([]byte(details), &o.Details)
		list = append(list, o)
		return err
	}, `SELECT subject, key_id, trusted, status, details FROM early_outcomes WHERE tenant = ? AND decision_id = ? ORDER BY subject`,
		tenant, id.String())
	return list, err
}

// AddEarlyOutcome implements [storage.DecisionRows].
func (t decisions) AddEarlyOutcome(tenant string, now time.Time, o storage.Outcome) error {
	details, err := strictjson.Marshal(o.Details)
	if err != nil {
		return fmt.Errorf("writing an outcome: %w", err)
	}
	_, err = t.exec(`INSERT INTO early_outcomes (tenant, decision_id, subject, key_id, trusted, status, details, at) VALUES (?,?,?,?,?,?,?,?)`,
		tenant, o.DecisionID.String(), o.By.Subject, o.By.KeyID, o.Trusted, o.Status, string(details), now.UnixNano())
	return err
}

// DeleteEarlyOutcomes implements [storage.DecisionRows].
func (t decisions) DeleteEarlyOutcomes(tenant string, id aureus.DecisionID) error {
	_, err := t.exec(`DELETE FROM early_outcomes WHERE tenant = ? AND decision_id = ?`, tenant, id.String())
	return err
}

// Prune implements [storage.DecisionRows].
func (t decisions) Prune(r storage.Retention, limit int) (int64, error) {
	for _, one := range []struct {
		statement string
		before    time.Time
	}{
		{`DELETE FROM decisions WHERE (tenant, decision_id) IN (SELECT tenant, decision_id FROM decisions WHERE at < ? ORDER BY at LIMIT ?)`, r.Ended},
		{`DELETE FROM outcomes WHERE (tenant, decision_id) IN (SELECT tenant, decision_id FROM outcomes WHERE at < ? ORDER BY at LIMIT ?)`, r.Ended},
		{`DELETE FROM early_outcomes WHERE (tenant, decision_id, subject) IN (
			SELECT tenant, decision_id, subject FROM early_outcomes WHERE at < ? ORDER BY at LIMIT ?)`, r.Early},
	} {
		if n, err := t.changed(one.statement, one.before.UnixNano(), limit); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}
