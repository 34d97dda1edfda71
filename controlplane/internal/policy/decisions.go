package policy

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// maxDecisionEntries limits the audit entries that are read for one decision: many
// gate results may name it.
const maxDecisionEntries = 200

// getDecision answers GET decisions/{id} with the decision, its approval, its gate
// results and its outcome, read from the audit log and the approvals. A service sees
// the decisions that its own subject made or reported, an operator all of the tenant.
func (s *Service) getDecision(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var id aureus.DecisionID
	if err := id.UnmarshalText([]byte(r.PathValue("id"))); err != nil || id.IsZero() {
		return web.NotFound("decision")
	}
	details, err := s.Details(r.Context(), c, id)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, details)
	return nil
}

// Details returns the decision with its approval, its gate results and its outcome, as
// far as the caller may see it. If there is none, it returns the error response with
// status 404.
func (s *Service) Details(ctx context.Context, c web.Caller, id aureus.DecisionID) (details aureus.DecisionDetails, err error) {
	err = s.Store.View(ctx, func(t storage.Tx) error {
		entries, err := t.Audit().List(c.Tenant, storage.AuditFilter{DecisionID: id, Limit: maxDecisionEntries})
		if err != nil {
			return err
		}
		found := false
		for _, e := range entries {
			if e.Kind == vocab.AuditDecision && (e.By == c.Subject || c.Role.AtLeast(web.Operator)) {
				one := []aureus.AuditRecord{e}
				if err := t.Audit().WithInputs(c.Tenant, one); err != nil {
					return err
				}
				details, found = detailsOf(one[0]), true
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
			return addApproval(t, c, s.Now(), details.Approval)
		}
		return nil
	})
	if errors.Is(err, storage.ErrNotFound) {
		err = web.NotFound("decision")
	}
	return details, err
}

// detailsOf converts the audit entry of a decision.
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
		Effect: e.Decision, ReasonCode: e.ReasonCode, Reason: text("reason"), Rule: text("rule"), PolicyVersion: text("policy_version"), Bundle: text("bundle"), Matched: matchedIn(e.Details),
		By: e.By, KeyID: e.KeyID, GateResults: []aureus.GateRecord{}, Inputs: e.Inputs,
	}
	if e.ApprovalID != "" {
		details.Approval = &aureus.ApprovalRef{ID: e.ApprovalID, URL: approvals.Path(e.ApprovalID)}
	}
	return details
}

// matchedIn returns the reasons of a policy bundle that a decision's entry lists.
func matchedIn(details map[string]any) (matched []aureus.RuleMatch) {
	list, _ := details["matched"].([]any)
	for _, item := range list {
		fields, _ := item.(map[string]any)
		text := func(name string) string {
			value, _ := fields[name].(string)
			return value
		}
		shadow, _ := fields["shadow"].(bool)
		matched = append(matched, aureus.RuleMatch{
			Rule: text("rule"), Effect: text("effect"), ReasonCode: aureus.ReasonCode(text("reason_code")),
			Reason: text("reason"), Remedy: text("remedy"), Shadow: shadow,
		})
	}
	return matched
}

// digestIn parses a digest. It returns the zero digest if the text is not valid.
func digestIn(text string) (digest aureus.Digest) {
	if digest.UnmarshalText([]byte(text)) != nil {
		return aureus.Digest{}
	}
	return digest
}

// addEntry adds another audit entry about the decision to its details. It ignores
// gate results that another subject reported, and outcomes that are marked early:
// reported before the decision, and accepted only by a later entry.
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
			outcome.DurationMS, _ = n.Float64() // 0 if it is out of range
		}
		details.Outcome = &outcome
		if gate, ok := e.Details["gate"].(map[string]any); ok {
			details.GateResults = append(details.GateResults, gateRecordIn(gate))
		}
	}
}

// gateRecordIn converts the details of a gate result.
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

// addApproval adds the present status of the approval. If the approval has been
// deleted, ref keeps only the id.
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
