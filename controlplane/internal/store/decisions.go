package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Decision is what of a decision is kept beside its audit entry, to know it
// again.
type Decision struct {
	ID        aureus.DecisionID
	Principal string
	Action    string
	Effect    string
	Subject   string // whose key made or reported it
	content   string // a hash of the whole record; empty where an older version has kept it
}

// DecisionOf is the decision that a record tells of, made or reported by the
// subject's key.
func DecisionOf(record aureus.DecisionRecord, subject string) (Decision, error) {
	text, err := strictjson.Marshal(record)
	if err != nil {
		return Decision{}, fmt.Errorf("writing a decision: %w", err)
	}
	content := sha256.Sum256(text)
	return Decision{
		ID: record.DecisionID, Principal: record.Principal, Action: record.Action, Effect: record.Effect,
		Subject: subject, content: hex.EncodeToString(content[:]),
	}, nil
}

// AddDecision remembers a decision. It reports false for one that is there
// already, and ErrConflict where that one says something else.
func (t *Tx) AddDecision(tenant string, d Decision) (added bool, err error) {
	n, err := t.changed(`INSERT INTO decisions (tenant, decision_id, principal, action, effect, subject, content) VALUES (?,?,?,?,?,?,?)
		ON CONFLICT DO NOTHING`, tenant, d.ID.String(), d.Principal, d.Action, d.Effect, d.Subject, d.content)
	if err != nil || n == 1 {
		return n == 1, err
	}
	known, err := t.Decision(tenant, d.ID)
	if known.content == "" {
		d.content = ""
	}
	if err == nil && known != d {
		err = ErrConflict
	}
	return false, err
}

// Decision is the decision with that id, or ErrNotFound.
func (t *Tx) Decision(tenant string, id aureus.DecisionID) (Decision, error) {
	d := Decision{ID: id}
	err := t.row(`SELECT principal, action, effect, subject, content FROM decisions WHERE tenant = ? AND decision_id = ?`, tenant, id.String()).
		Scan(&d.Principal, &d.Action, &d.Effect, &d.Subject, &d.content)
	if errors.Is(err, sql.ErrNoRows) {
		return Decision{}, ErrNotFound
	}
	return d, err
}
