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

// postGates records the results of gates that ran outside the control plane. A
// result that names a recorded decision must come from the subject of that decision.
func (s *Service) postGates(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.postBatch(w, r, c, func(item []byte) (change, error) {
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

func checkDecision(t storage.Tx, c web.Caller, now time.Time, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	decision, err := t.Decisions().Get(c.Tenant, id)
	switch {
	case errors.Is(err, storage.ErrNotFound): // it may come later
		if problem := reported.Recent(id, now); problem != "" {
			return refusal(problem)
		}
		return nil
	case err != nil:
		return err
	case decision.Subject != c.Subject:
		return refusal("/decision_id: the decision is another key's")
	}
	return nil
}

func checkGateRecord(record *aureus.GateRecord) error {
	status := vocab.CRVWarning
	switch {
	case record.Passed && record.Blocked:
		return refusal("/blocked: what has passed is not blocked")
	case record.Passed:
		status = vocab.CRVPassed
	case record.Blocked:
		status = vocab.CRVBlocked
	}
	switch {
	case record.CRVStatus != status:
		return refusal("/crv_status: must be " + status + ", as passed and blocked say")
	case record.FailureCode != "" && !record.FailureCode.Valid():
		return refusal("/failure_code: is none of the failure codes")
	case record.Passed && record.FailureCode != "":
		return refusal("/failure_code: what has passed has none")
	}
	return checkNames(nametext.Label, map[string]string{"/gate_name": record.GateName, "/commit_id": record.CommitID, "/trace_id": record.TraceID})
}

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
