package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Add implements [storage.Decisions].
func (t decisions) Add(tenant string, now time.Time, d storage.Decision, entry aureus.AuditRecord) (added bool, err error) {
	known, err := t.Knows(tenant, d)
	if known || err != nil {
		return false, err
	}
	if _, err := t.exec(`INSERT INTO decisions (tenant, decision_id, principal, action, effect, subject, content, at, sequence)
		VALUES (?,?,?,?,?,?,?,?,`+nextSequence+`)`,
		tenant, d.ID.String(), d.Principal, d.Action, d.Effect, d.Subject, d.Content, now.UnixNano(), tenant); err != nil {
		return false, err
	}
	return true, t.audit().Append(tenant, now, entry)
}

// Knows implements [storage.Decisions].
func (t decisions) Knows(tenant string, d storage.Decision) (bool, error) {
	known, err := t.Get(tenant, d.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if known.Content == "" {
		d.Content = ""
	}
	if err == nil && known != d {
		err = storage.ErrConflict
	}
	return err == nil, err
}

// mayName is ErrDecisionOfOther where the decision is known and another subject's:
// what the actor does is then not told of it.
func (t decisions) mayName(tenant string, by storage.Actor, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	known, err := t.Get(tenant, id)
	switch {
	case errors.Is(err, storage.ErrNotFound): // it may come later
		return nil
	case err == nil && known.Subject != by.Subject:
		return storage.ErrDecisionOfOther
	}
	return err
}

// Get implements [storage.Decisions].
func (t decisions) Get(tenant string, id aureus.DecisionID) (storage.Decision, error) {
	d := storage.Decision{ID: id}
	err := t.row(`SELECT principal, action, effect, subject, content FROM decisions WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).
		Scan(&d.Principal, &d.Action, &d.Effect, &d.Subject, &d.Content)
	if errors.Is(err, sql.ErrNoRows) {
		return storage.Decision{}, storage.ErrNotFound
	}
	return d, err
}

// Prune implements [storage.Decisions].
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
