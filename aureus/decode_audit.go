package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	auditRecordShape    = jsonscan.ShapeOf[AuditRecord]()
	decisionRecordShape = jsonscan.ShapeOf[DecisionRecord]()
	outcomeShape        = jsonscan.ShapeOf[Outcome]()
)

func scanAuditRecord(s *jsonscan.Scanner, r *AuditRecord) bool {
	return s.Object(auditRecordShape, func(name string) bool {
		switch name {
		case "sequence":
			return jsonscan.Int(s, &r.Sequence)
		case "timestamp":
			return s.String((*string)(&r.Timestamp))
		case "kind":
			return s.String(&r.Kind)
		case "decision_id":
			return s.Text(&r.DecisionID)
		case "principal":
			return s.String(&r.Principal)
		case "on_behalf_of":
			return s.String(&r.OnBehalfOf)
		case "action":
			return s.String(&r.Action)
		case "decision":
			return s.String(&r.Decision)
		case "reason_code":
			return s.String((*string)(&r.ReasonCode))
		case "from_state":
			return s.Word((*string)(&r.FromState), stateWords)
		case "to_state":
			return s.Word((*string)(&r.ToState), stateWords)
		case "action_digest":
			return s.Text(&r.ActionDigest)
		case "approval_id":
			return s.String(&r.ApprovalID)
		case "by":
			return s.String(&r.By)
		case "key_id":
			return s.String(&r.KeyID)
		case "details":
			return s.Map(&r.Details)
		case "previous_hash":
			return s.String(&r.PreviousHash)
		case "hash":
			return s.String(&r.Hash)
		}
		return false
	})
}

func scanDecisionRecord(s *jsonscan.Scanner, r *DecisionRecord) bool {
	return s.Object(decisionRecordShape, func(name string) bool {
		switch name {
		case "decision_id":
			return s.Text(&r.DecisionID)
		case "principal":
			return s.String(&r.Principal)
		case "on_behalf_of":
			return s.String(&r.OnBehalfOf)
		case "action":
			return s.String(&r.Action)
		case "tool_name":
			return s.String(&r.ToolName)
		case "risk_tier":
			return scanTier(s, &r.RiskTier)
		case "effect":
			return s.String(&r.Effect)
		case "reason_code":
			return s.String((*string)(&r.ReasonCode))
		case "rule":
			return s.String(&r.Rule)
		case "policy_version":
			return s.String(&r.PolicyVersion)
		case "action_digest":
			return s.Text(&r.ActionDigest)
		case "approval_id":
			return s.String(&r.ApprovalID)
		case "trace_id":
			return s.String(&r.TraceID)
		case "claimed":
			return s.Bool(&r.Claimed)
		}
		return false
	})
}

func scanOutcome(s *jsonscan.Scanner, o *Outcome) bool {
	return s.Object(outcomeShape, func(name string) bool {
		switch name {
		case "decision_id":
			return s.Text(&o.DecisionID)
		case "status":
			return s.String(&o.Status)
		case "error_class":
			return s.String(&o.ErrorClass)
		case "not_done":
			return s.Bool(&o.NotDone)
		case "duration_ms":
			return s.Float(&o.DurationMS)
		case "gate_result":
			o.GateResult = new(GateResult)
			return scanGateResult(s, o.GateResult)
		}
		return false
	})
}
