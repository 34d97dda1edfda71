package storage

import (
	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// The values of the detail "source" of an audit entry. Only the server sets it: the
// value in a report is ignored.
const (
	SourceEvaluated = "evaluated" // the control plane itself decided or validated
	SourceReported  = "reported"  // a key reported it
)

// DecisionEntry returns the audit entry of a decision that the actor made or
// reported.
func DecisionEntry(d aureus.DecisionRecord, by Actor) aureus.AuditRecord {
	details := map[string]any{"claimed": d.Claimed}
	for name, value := range map[string]string{
		"rule": d.Rule, "policy_version": d.PolicyVersion, "tool_name": d.ToolName, "risk_tier": string(d.RiskTier),
		"trace_id": d.TraceID, "bundle": d.Bundle,
	} {
		if value != "" {
			details[name] = value
		}
	}
	if len(d.Matched) > 0 {
		details["matched"] = matchedDetails(d.Matched)
	}
	return aureus.AuditRecord{
		Kind: vocab.AuditDecision, DecisionID: d.DecisionID, Principal: d.Principal, OnBehalfOf: d.OnBehalfOf,
		Action: d.Action, Decision: d.Effect, ReasonCode: d.ReasonCode, ActionDigest: d.ActionDigest,
		ApprovalID: d.ApprovalID, By: by.Subject, KeyID: by.KeyID, Details: details, Inputs: d.Inputs,
	}
}

// matchedDetails returns the reasons of a policy bundle as details of an audit entry.
func matchedDetails(matched []aureus.RuleMatch) []any {
	list := make([]any, len(matched))
	for i, m := range matched {
		fields := map[string]any{"rule": m.Rule, "effect": m.Effect, "reason_code": string(m.ReasonCode)}
		for name, value := range map[string]string{"reason": m.Reason, "remedy": m.Remedy} {
			if value != "" {
				fields[name] = value
			}
		}
		if m.Shadow {
			fields["shadow"] = true
		}
		list[i] = fields
	}
	return list
}

// GateDetails returns the details of an audit entry about the result of a gate. They
// contain neither the checked data nor the reasons, which may quote it.
func GateDetails(result aureus.GateResult) map[string]any {
	details := map[string]any{"gate_name": result.GateName, "passed": result.Passed, "blocked": result.BlockedCommit, "crv_status": result.CRVStatus}
	if result.FailureCode != "" {
		details["failure_code"] = string(result.FailureCode)
	}
	return details
}
