package storage

import (
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// decisionRules implements [Decisions].
type decisionRules struct {
	DecisionRows

	audit *auditRules
}

// Add implements [Decisions].
func (t *decisionRules) Add(tenant string, now time.Time, d Decision, entry aureus.AuditRecord) (added bool, err error) {
	known, err := t.Knows(tenant, d)
	if known || err != nil {
		return false, err
	}
	head, err := t.audit.Head(tenant)
	if err != nil {
		return false, err
	}
	if err := t.DecisionRows.Add(tenant, now, d, head.Sequence+1); err != nil {
		return false, err
	}
	return true, t.audit.appendAfter(tenant, now, head, entry)
}

// Knows implements [Decisions].
func (t *decisionRules) Knows(tenant string, d Decision) (bool, error) {
	known, err := t.Get(tenant, d.ID)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if known.Content == "" {
		d.Content = ""
	}
	if err == nil && known != d {
		err = ErrConflict
	}
	return err == nil, err
}

// mayName returns ErrDecisionOfOther if the decision is stored and belongs to a
// subject other than the actor's. Then the actor may neither ask for an approval
// because of this decision nor use one for it.
func (t *decisionRules) mayName(tenant string, by Actor, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	known, err := t.Get(tenant, id)
	switch {
	case errors.Is(err, ErrNotFound): // it may be reported later
		return nil
	case err == nil && known.Subject != by.Subject:
		return ErrDecisionOfOther
	}
	return err
}

// AddOutcome implements [Decisions].
func (t *decisionRules) AddOutcome(tenant string, now time.Time, d Decision, o Outcome) error {
	known, err := t.Outcome(tenant, o.DecisionID)
	if !errors.Is(err, ErrNotFound) {
		return conflictUnlessSame(known, o.Status, err)
	}
	head, err := t.audit.Head(tenant)
	if err != nil {
		return err
	}
	if err := t.DecisionRows.AddOutcome(tenant, now, o.DecisionID, o.Status, head.Sequence+1); err != nil {
		return err
	}
	entry := o.entry()
	entry.Principal, entry.Action = d.Principal, d.Action
	return t.audit.appendAfter(tenant, now, head, entry)
}

// AddEarlyOutcome implements [Decisions].
func (t *decisionRules) AddEarlyOutcome(tenant string, now time.Time, o Outcome) error {
	known, err := t.EarlyOutcome(tenant, o.DecisionID, o.By.Subject)
	if !errors.Is(err, ErrNotFound) {
		return conflictUnlessSame(known, o.Status, err)
	}
	if err := t.DecisionRows.AddEarlyOutcome(tenant, now, o); err != nil {
		return err
	}
	entry := o.entry()
	entry.Details["early"] = true
	return t.audit.Append(tenant, now, entry)
}

// conflictUnlessSame returns ErrConflict if another status is already stored.
func conflictUnlessSame(known, status string, err error) error {
	if err == nil && known != status {
		err = ErrConflict
	}
	return err
}

// HasEarlyOutcome implements [Decisions].
func (t *decisionRules) HasEarlyOutcome(tenant string, id aureus.DecisionID, subject string) (bool, error) {
	_, err := t.EarlyOutcome(tenant, id, subject)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// SettleOutcomes implements [Decisions].
func (t *decisionRules) SettleOutcomes(tenant string, now time.Time, d Decision) error {
	early, err := t.EarlyOutcomes(tenant, d.ID)
	if err != nil || len(early) == 0 {
		return err
	}
	var chosen *Outcome
	for i := range early {
		own := early[i].By.Subject == d.Subject
		if own || early[i].Trusted && chosen == nil {
			chosen = &early[i]
		}
		if own {
			break
		}
	}
	if err := t.DeleteEarlyOutcomes(tenant, d.ID); err != nil || chosen == nil {
		return err
	}
	return t.AddOutcome(tenant, now, d, *chosen)
}
