package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Decision is stored for each decision in addition to its audit entry, to recognize
// the decision when it is reported again.
type Decision struct {
	ID        aureus.DecisionID
	Principal string
	Action    string
	Effect    string
	Subject   string // whose key made or reported it
	Content   string // a hash of the whole record; empty if an older version stored the decision
}

// DecisionOf returns the decision of a record that a key of the subject made or
// reported. Its content does not depend on the inputs, which could be guessed from a hash
// without a salt.
func DecisionOf(record aureus.DecisionRecord, subject string) (Decision, error) {
	record.Inputs = nil
	text, err := strictjson.Marshal(record)
	if err != nil {
		return Decision{}, fmt.Errorf("writing a decision: %w", err)
	}
	content := sha256.Sum256(text)
	return Decision{
		ID: record.DecisionID, Principal: record.Principal, Action: record.Action, Effect: record.Effect,
		Subject: subject, Content: hex.EncodeToString(content[:]),
	}, nil
}

// Outcome is the reported outcome of a decision.
type Outcome struct {
	DecisionID aureus.DecisionID
	Status     string
	By         Actor
	Trusted    bool           // whether By may report outcomes of other subjects' decisions
	Details    map[string]any // for the audit log
}

// entry returns the audit entry of the outcome.
func (o Outcome) entry() aureus.AuditRecord {
	details := maps.Clone(o.Details)
	if details == nil {
		details = map[string]any{}
	}
	return aureus.AuditRecord{
		Kind: vocab.AuditOutcome, DecisionID: o.DecisionID, Decision: o.Status, By: o.By.Subject, KeyID: o.By.KeyID,
		Details: details,
	}
}

// Decisions reads and stores decisions and their outcomes.
type Decisions interface {
	// Add stores a decision with its audit entry. It returns false if the decision
	// is already stored, and ErrConflict if another decision is stored under its id.
	Add(tenant string, now time.Time, d Decision, entry aureus.AuditRecord) (added bool, err error)
	// Knows reports whether the decision is stored. It fails with ErrConflict if
	// another decision is stored under its id.
	Knows(tenant string, d Decision) (bool, error)
	// Get returns the decision with that id, or ErrNotFound.
	Get(tenant string, id aureus.DecisionID) (Decision, error)

	// AddOutcome stores the outcome of the decision d with its audit entry. It does
	// nothing if an outcome with the same status is already stored, and fails with
	// ErrConflict if one with another status is.
	AddOutcome(tenant string, now time.Time, d Decision, o Outcome) error
	// AddEarlyOutcome stores an outcome whose decision is not stored yet, at most one
	// for each subject. Its audit entry is marked as early, because it counts only
	// if SettleOutcomes chooses it. It fails with ErrConflict if the subject has
	// reported another status before.
	AddEarlyOutcome(tenant string, now time.Time, o Outcome) error
	// HasEarlyOutcome reports whether an early outcome of the decision from that
	// subject is stored.
	HasEarlyOutcome(tenant string, id aureus.DecisionID, subject string) (bool, error)
	// SettleOutcomes chooses one of the early outcomes of a decision that has just
	// been added: that of the decision's own subject, or otherwise the first trusted
	// one in the order of the subjects. It stores the chosen one with AddOutcome, and
	// deletes all early outcomes of the decision.
	SettleOutcomes(tenant string, now time.Time, d Decision) error

	// Prune deletes at most limit rows that were added before the times of the
	// retention, and returns their number: 0 means that none is left. An outcome
	// and its decision are separate rows.
	Prune(r Retention, limit int) (int64, error)
}
