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

// Decision is what of a decision is kept beside its audit entry, to know it
// again.
type Decision struct {
	ID        aureus.DecisionID
	Principal string
	Action    string
	Effect    string
	Subject   string // whose key made or reported it
	Content   string // a hash of the whole record; empty where an older version has kept it
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
		Subject: subject, Content: hex.EncodeToString(content[:]),
	}, nil
}

// Outcome is what somebody reported to have become of a decision.
type Outcome struct {
	DecisionID aureus.DecisionID
	Status     string
	By         Actor
	Trusted    bool           // whether By may speak of the decisions of others
	Details    map[string]any // for the audit log
}

// entry is the outcome's entry in the audit log.
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

// Decisions are the decisions that are known, and what became of them.
type Decisions interface {
	// Add stores a decision, once, with its entry in the audit log. It reports
	// false for one that is there already, and ErrConflict where something else is
	// stored under its id.
	Add(tenant string, now time.Time, d Decision, entry aureus.AuditRecord) (added bool, err error)
	// Knows reports whether the decision is stored, with ErrConflict where
	// something else is under its id.
	Knows(tenant string, d Decision) (bool, error)
	// Get is the decision with that id, or ErrNotFound.
	Get(tenant string, id aureus.DecisionID) (Decision, error)

	// AddOutcome stores what became of the decision d, once, with its entry in the
	// audit log. It does nothing where the same is known already, and fails with
	// ErrConflict where something else is.
	AddOutcome(tenant string, now time.Time, d Decision, o Outcome) error
	// AddEarlyOutcome stores an outcome whose decision is not there yet, one for
	// each subject. The audit log shows it as early: it stands only if
	// SettleOutcomes says so. It fails with ErrConflict where the subject has told
	// something else.
	AddEarlyOutcome(tenant string, now time.Time, o Outcome) error
	// HasEarlyOutcome reports whether the subject has told of the decision's
	// outcome before the decision is there.
	HasEarlyOutcome(tenant string, id aureus.DecisionID, subject string) (bool, error)
	// SettleOutcomes is for a decision that has just been added. Of the outcomes
	// that came before it, the one of the decision's own subject stands, or else the
	// first one of somebody who may speak of the decisions of others, in the order
	// of the subjects; it is stored again, as what became of the decision. The
	// others are deleted.
	SettleOutcomes(tenant string, now time.Time, d Decision) error

	// Prune deletes at most limit rows that are no longer kept, by the time with
	// which each was added, and gives their number: 0 means that there are no more.
	// An outcome and its decision are rows of their own.
	Prune(r Retention, limit int) (int64, error)
}
