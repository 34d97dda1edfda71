package store

import (
	"database/sql"
	"errors"

	"github.com/farmountain/aureus-go/aureus"
)

// Decision is what of a decision is kept beside its audit entry, to know it
// again.
type Decision struct {
	ID        aureus.DecisionID
	Principal string
	Action    string
	Effect    string
	Subject   string // whose key made or reported it
}

// AddDecision remembers a decision. It reports false for one that is there
// already, and ErrConflict where that one is another.
func (t *Tx) AddDecision(tenant string, d Decision) (added bool, err error) {
	n, err := t.changed(`INSERT INTO decisions (tenant, decision_id, principal, action, effect, subject) VALUES (?,?,?,?,?,?)
		ON CONFLICT DO NOTHING`, tenant, d.ID.String(), d.Principal, d.Action, d.Effect, d.Subject)
	if err != nil || n == 1 {
		return n == 1, err
	}
	known, err := t.Decision(tenant, d.ID)
	if err == nil && known != d {
		err = ErrConflict
	}
	return false, err
}

// Decision is the decision with that id, or ErrNotFound.
func (t *Tx) Decision(tenant string, id aureus.DecisionID) (Decision, error) {
	d := Decision{ID: id}
	err := t.row(`SELECT principal, action, effect, subject FROM decisions WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).
		Scan(&d.Principal, &d.Action, &d.Effect, &d.Subject)
	if errors.Is(err, sql.ErrNoRows) {
		return Decision{}, ErrNotFound
	}
	return d, err
}

// AddOutcome remembers what became of a decision. It reports false where that
// is known already, and ErrConflict where something else is known.
func (t *Tx) AddOutcome(tenant string, id aureus.DecisionID, status string) (added bool, err error) {
	n, err := t.changed(`INSERT INTO outcomes (tenant, decision_id, status) VALUES (?,?,?) ON CONFLICT DO NOTHING`,
		tenant, id.String(), status)
	if err != nil || n == 1 {
		return n == 1, err
	}
	var known string
	err = t.row(`SELECT status FROM outcomes WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).Scan(&known)
	if err == nil && known != status {
		err = ErrConflict
	}
	return false, err
}
