package store

import (
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

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

// AddDecision writes down a decision, once, with its entry in the audit log. It
// reports false for one that is there already, and ErrConflict where that one
// says something else.
func (t *Tx) AddDecision(tenant string, now time.Time, d Decision, entry aureus.AuditRecord) (added bool, err error) {
	known, err := t.KnowsDecision(tenant, d)
	if known || err != nil {
		return false, err
	}
	if _, err := t.exec(`INSERT INTO decisions (tenant, decision_id, principal, action, effect, subject, content, at, sequence)
		VALUES (?,?,?,?,?,?,?,?,`+nextSequence+`)`,
		tenant, d.ID.String(), d.Principal, d.Action, d.Effect, d.Subject, d.content, now.UnixNano(), tenant); err != nil {
		return false, err
	}
	return true, t.AppendAudit(tenant, now, entry)
}

// KnowsDecision reports whether the decision is written down already, with
// ErrConflict where something else is under its id.
func (t *Tx) KnowsDecision(tenant string, d Decision) (bool, error) {
	known, err := t.Decision(tenant, d.ID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if known.content == "" {
		d.content = ""
	}
	if err == nil && known != d {
		err = ErrConflict
	}
	return err == nil, err
}

// mayName is ErrDecisionOfOther where the decision is known and another subject's:
// what the actor does is then not told of it.
func (t *Tx) mayName(tenant string, by Actor, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	known, err := t.Decision(tenant, id)
	switch {
	case errors.Is(err, ErrNotFound): // it may come later
		return nil
	case err == nil && known.Subject != by.Subject:
		return ErrDecisionOfOther
	}
	return err
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
