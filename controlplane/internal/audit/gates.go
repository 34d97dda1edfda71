package audit

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/reported"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// postGates answers POST gates/batch: it writes the results of gates that ran outside
// the control plane to the audit log. A result that names a recorded decision must
// come from the subject of that decision.
func (s *Service) postGates(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.postBatch(w, r, c, func(item []byte) (storeItem, error) {
		var record aureus.GateRecord
		if err := decodeItem(item, &record); err != nil {
			return nil, err
		}
		if err := checkGateRecord(&record); err != nil {
			return nil, err
		}
		entry := aureus.AuditRecord{
			Kind: vocab.AuditGateResult, DecisionID: record.DecisionID, Decision: record.CRVStatus, By: c.Subject, KeyID: c.KeyID,
			Details: gateRecordDetails(record),
		}
		return func(t storage.Tx, now time.Time) error {
			if err := checkDecision(t, c, now, record.DecisionID); err != nil {
				return err
			}
			return t.Audit().Append(c.Tenant, now, entry)
		}, nil
	})
}

// checkDecision refuses the id of a decision of another subject, and the id of an
// unknown decision that is too old to be recorded later.
func checkDecision(t storage.Tx, c web.Caller, now time.Time, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	decision, err := t.Decisions().Get(c.Tenant, id)
	switch {
	case errors.Is(err, storage.ErrNotFound): // it may be recorded later
		if problem := reported.Recent(id, now); problem != "" {
			return refusal(problem)
		}
		return nil
	case err != nil:
		return err
	case decision.Subject != c.Subject:
		return refusal("/decision_id: the decision belongs to another subject")
	}
	return nil
}

// checkGateRecord refuses a result whose fields contradict each other.
func checkGateRecord(record *aureus.GateRecord) error {
	status := vocab.CRVWarning
	switch {
	case record.Passed && record.Blocked:
		return refusal("/blocked: must be false if passed is true")
	case record.Passed:
		status = vocab.CRVPassed
	case record.Blocked:
		status = vocab.CRVBlocked
	}
	switch {
	case record.CRVStatus != status:
		return refusal("/crv_status: must be " + status + " for these values of passed and blocked")
	case record.FailureCode != "" && !record.FailureCode.Valid():
		return refusal("/failure_code: is not a known failure code")
	case record.Passed && record.FailureCode != "":
		return refusal("/failure_code: must be empty if passed is true")
	}
	return checkNames(nametext.Label, map[string]string{"/gate_name": record.GateName, "/commit_id": record.CommitID, "/trace_id": record.TraceID})
}

// gateRecordDetails returns the details of the audit entry.
func gateRecordDetails(record aureus.GateRecord) map[string]any {
	details := map[string]any{
		"source": storage.SourceReported, "gate_name": record.GateName, "passed": record.Passed, "blocked": record.Blocked, "crv_status": record.CRVStatus,
	}
	for name, value := range map[string]string{
		"failure_code": string(record.FailureCode), "commit_id": record.CommitID, "trace_id": record.TraceID,
	} {
		if value != "" {
			details[name] = value
		}
	}
	return details
}
