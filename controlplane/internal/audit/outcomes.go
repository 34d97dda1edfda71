package audit

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// postOutcomes answers POST outcomes/batch: it records one outcome for each decision.
// Only the subject of the decision, or an operator, may report its outcome. An
// outcome may arrive before its decision; then it is checked when the decision
// arrives.
func (s *Service) postOutcomes(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.postBatch(w, r, c, func(item []byte) (storeItem, error) {
		var outcome aureus.Outcome
		if err := decodeItem(item, &outcome); err != nil {
			return nil, err
		}
		if err := checkOutcome(&outcome); err != nil {
			return nil, err
		}
		report := storage.Outcome{
			DecisionID: outcome.DecisionID, Status: outcome.Status, By: c.Actor(), Trusted: c.Role.AtLeast(web.Operator),
			Details: outcomeDetails(&outcome),
		}
		notDone := approval.NotDone(outcome)
		return func(t storage.Tx, now time.Time) error {
			if err := addOutcome(t, c, now, report); err != nil {
				return err
			}
			if err := settleBudgets(t, c.Tenant, outcome.DecisionID, notDone); err != nil {
				return err
			}
			return t.Approvals().Settle(c.Tenant, now, c.Actor(), outcome.DecisionID, notDone)
		}, nil
	})
}

// settleBudgets gives back what the decision took from budgets if nothing was done, and
// otherwise makes sure that no later outcome gives it back.
func settleBudgets(t storage.Tx, tenant string, decision aureus.DecisionID, notDone bool) error {
	if notDone {
		return t.Policies().Release(tenant, decision)
	}
	return t.Policies().Keep(tenant, decision)
}

// addOutcome stores the outcome if the caller may report it and no other outcome is
// recorded for the decision.
func addOutcome(t storage.Tx, c web.Caller, now time.Time, report storage.Outcome) error {
	decision, err := t.Decisions().Get(c.Tenant, report.DecisionID)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		if problem := reported.Recent(report.DecisionID, now); problem != "" { // its decision would also be refused as too old
			return refusal(problem)
		}
		err = t.Decisions().AddEarlyOutcome(c.Tenant, now, report)
	case err != nil:
	case decision.Subject != c.Subject && !report.Trusted:
		err = refusal("the decision belongs to another subject")
	default:
		err = t.Decisions().AddOutcome(c.Tenant, now, decision, report)
	}
	if errors.Is(err, storage.ErrConflict) {
		return refusal(wire.CodeConflict + ": another outcome is already recorded for this decision, and is kept")
	}
	return err
}

// outcomeDetails returns the details of the audit entry.
func outcomeDetails(outcome *aureus.Outcome) map[string]any {
	details := map[string]any{"duration_ms": outcome.DurationMS, "source": storage.SourceReported}
	if outcome.ErrorClass != "" {
		details["error_class"] = outcome.ErrorClass
	}
	if outcome.NotDone {
		details["not_done"] = true
	}
	if outcome.GateResult != nil {
		details["gate"] = storage.GateDetails(*outcome.GateResult)
	}
	return details
}

// checkOutcome refuses an outcome that is incomplete or contradicts itself.
func checkOutcome(outcome *aureus.Outcome) error {
	if outcome.DecisionID.IsZero() {
		return refusal("/decision_id: is required")
	}
	if outcome.Status == "" {
		return refusal("/status: is required")
	}
	if outcome.NotDone && !approval.NotDone(*outcome) {
		return refusal("/not_done: is allowed only with the status " + vocab.OutcomeFailed + ", " + vocab.OutcomeBlocked + " or " + vocab.OutcomeRefused)
	}
	names := map[string]string{"/status": outcome.Status, "/error_class": outcome.ErrorClass}
	if gate := outcome.GateResult; gate != nil {
		names["/gate_result/gate_name"], names["/gate_result/crv_status"] = gate.GateName, gate.CRVStatus
	}
	return checkNames(nametext.Label, names)
}
