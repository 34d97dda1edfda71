package controlplane

import (
	"context"
	"encoding/json"
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

const decisionIDForm = "the id of a decision: dec_ and 26 characters of base32"

// maxDecisionEntries bounds the entries of the audit log that are joined for one
// decision: gates may have judged often.
const maxDecisionEntries = 200

func (s *Server) decisionRoutes() []web.Route {
	return []web.Route{{Pattern: "GET /api/v1/decisions/{id}", Role: web.Service, Handler: s.getDecision}}
}

// getDecision joins what the audit log and the approvals know of a decision. A
// service sees those that its subject made or reported, and nothing of others.
func (s *Server) getDecision(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var id aureus.DecisionID
	if err := id.UnmarshalText([]byte(r.PathValue("id"))); err != nil || id.IsZero() {
		return web.NotFound("decision")
	}
	details, err := s.decisionDetails(r.Context(), c, id)
	if errors.Is(err, storage.ErrNotFound) {
		return web.NotFound("decision")
	}
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, details)
	return nil
}

func (s *Server) decisionDetails(ctx context.Context, c web.Caller, id aureus.DecisionID) (details aureus.DecisionDetails, err error) {
	err = s.db.View(ctx, func(t storage.Tx) error {
		entries, err := t.Audit().List(c.Tenant, storage.AuditFilter{DecisionID: id, Limit: maxDecisionEntries})
		if err != nil {
			return err
		}
		found := false
		for _, e := range entries {
			if e.Kind == vocab.AuditDecision && (e.By == c.Subject || c.Role.AtLeast(web.Operator)) {
				details, found = detailsOf(e), true
				break
			}
		}
		if !found {
			return storage.ErrNotFound
		}
		for _, e := range entries {
			addEntry(&details, e)
		}
		if details.Approval != nil {
			return addApproval(t, c, s.config.Now(), details.Approval)
		}
		return nil
	})
	return details, err
}

// detailsOf is what the entry of a decision says.
func detailsOf(e aureus.AuditRecord) aureus.DecisionDetails {
	text := func(name string) string {
		value, _ := e.Details[name].(string)
		return value
	}
	claimed, _ := e.Details["claimed"].(bool)
	details := aureus.DecisionDetails{
		DecisionID: e.DecisionID, Timestamp: e.Timestamp, Sequence: e.Sequence, Source: text("source"), Claimed: claimed,
		Principal: e.Principal, OnBehalfOf: e.OnBehalfOf, Action: e.Action, ToolName: text("tool_name"), RiskTier: aureus.PolicyRiskTier(text("risk_tier")),
		Method: text("method"), Path: text("path"), ActionDigest: e.ActionDigest, ArgumentsDigest: digestIn(text("arguments_digest")),
		WorkflowID: text("workflow_id"), TaskID: text("task_id"), TraceID: text("trace_id"),
		Effect: e.Decision, ReasonCode: e.ReasonCode, Reason: text("reason"), Rule: text("rule"), PolicyVersion: text("policy_version"),
		By: e.By, KeyID: e.KeyID, GateResults: []aureus.GateRecord{},
	}
	if e.ApprovalID != "" {
		details.Approval = &aureus.ApprovalRef{ID: e.ApprovalID, URL: approvalPath(e.ApprovalID)}
	}
	return details
}

// digestIn is the digest that an entry has as text; the zero digest where there
// is none.
func digestIn(text string) (digest aureus.Digest) {
	if digest.UnmarshalText([]byte(text)) != nil {
		return aureus.Digest{}
	}
	return digest
}

// addEntry adds what another entry says of the decision, if its word counts: an
// early outcome's does not before it is settled, and a gate's only where the
// decision's own subject has told of it.
func addEntry(details *aureus.DecisionDetails, e aureus.AuditRecord) {
	early, _ := e.Details["early"].(bool)
	switch {
	case e.Kind == vocab.AuditGateResult && e.By == details.By:
		details.GateResults = append(details.GateResults, gateRecordIn(e.Details))
	case e.Kind == vocab.AuditOutcome && !early:
		outcome := aureus.DecisionOutcome{Status: e.Decision, By: e.By, Timestamp: e.Timestamp}
		outcome.ErrorClass, _ = e.Details["error_class"].(string)
		outcome.NotDone, _ = e.Details["not_done"].(bool)
		if n, ok := e.Details["duration_ms"].(json.Number); ok {
			outcome.DurationMS, _ = n.Float64() // what no float holds is 0
		}
		details.Outcome = &outcome
		if gate, ok := e.Details["gate"].(map[string]any); ok {
			details.GateResults = append(details.GateResults, gateRecordIn(gate))
		}
	}
}

func gateRecordIn(details map[string]any) (record aureus.GateRecord) {
	record.GateName, _ = details["gate_name"].(string)
	record.CRVStatus, _ = details["crv_status"].(string)
	record.Passed, _ = details["passed"].(bool)
	record.Blocked, _ = details["blocked"].(bool)
	record.CommitID, _ = details["commit_id"].(string)
	record.TraceID, _ = details["trace_id"].(string)
	code, _ := details["failure_code"].(string)
	record.FailureCode = aureus.FailureTaxonomy(code)
	return record
}

// addApproval says how the approval stands now. One that is no longer kept is
// named by its id alone.
func addApproval(t storage.Tx, c web.Caller, now time.Time, ref *aureus.ApprovalRef) error {
	a, err := t.Approvals().Summary(c.Tenant, now, ref.ID)
	if errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
		return nil
	}
	if err == nil {
		ref.Status, ref.ExpiresAt = a.Status, a.ExpiresAt
	}
	return err
}

// recordGates writes down what gates found that judged elsewhere. One that tells
// of a decision that is there must come from the subject of that decision.
func (s *Server) recordGates(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.recordBatch(w, r, c, func(item []byte) (recording, error) {
		var record aureus.GateRecord
		if err := decodeItem(item, &record); err != nil {
			return nil, err
		}
		if err := validGateRecord(&record); err != nil {
			return nil, err
		}
		entry := aureus.AuditRecord{
			Kind: vocab.AuditGateResult, DecisionID: record.DecisionID, Decision: record.CRVStatus, By: c.Subject, KeyID: c.KeyID,
			Details: gateRecordDetails(record),
		}
		return func(t storage.Tx, now time.Time) error {
			if err := mayTellOf(t, c, now, record.DecisionID); err != nil {
				return err
			}
			return t.Audit().Append(c.Tenant, now, entry)
		}, nil
	})
}

func mayTellOf(t storage.Tx, c web.Caller, now time.Time, id aureus.DecisionID) error {
	if id.IsZero() {
		return nil
	}
	decision, err := t.Decisions().Get(c.Tenant, id)
	switch {
	case errors.Is(err, storage.ErrNotFound): // it may come later
		if why := reported.Recent(id, now); why != "" {
			return refusal(why)
		}
		return nil
	case err != nil:
		return err
	case decision.Subject != c.Subject:
		return refusal("/decision_id: the decision is another key's")
	}
	return nil
}

func validGateRecord(record *aureus.GateRecord) error {
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
	return validNames(nametext.Label, map[string]string{"/gate_name": record.GateName, "/commit_id": record.CommitID, "/trace_id": record.TraceID})
}

func gateRecordDetails(record aureus.GateRecord) map[string]any {
	details := map[string]any{
		"source": sourceReported, "gate_name": record.GateName, "passed": record.Passed, "blocked": record.Blocked, "crv_status": record.CRVStatus,
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
