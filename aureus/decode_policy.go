package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	decisionShape    = jsonscan.ShapeOf[GuardDecision]()
	approvalRefShape = jsonscan.ShapeOf[ApprovalRef]()
	approvalStatuses = ApprovalStatus("").Words()
)

func scanDecision(s *jsonscan.Scanner, d *GuardDecision) bool {
	return s.Object(decisionShape, func(name string) bool {
		switch name {
		case "allowed":
			return s.Bool(&d.Allowed)
		case "reason":
			return s.String(&d.Reason)
		case "requires_human_approval":
			return s.Bool(&d.RequiresHumanApproval)
		case "approval_token":
			return s.String(&d.ApprovalToken)
		case "metadata":
			return s.Map(&d.Metadata)
		case "decision_id":
			return s.Text(&d.DecisionID)
		case "effect":
			return s.String(&d.Effect)
		case "reason_code":
			return s.String((*string)(&d.ReasonCode))
		case "rule":
			return s.String(&d.Rule)
		case "policy_version":
			return s.String(&d.PolicyVersion)
		case "action_digest":
			return s.Text(&d.ActionDigest)
		case "claimed":
			return s.Bool(&d.Claimed)
		case "approval":
			d.Approval = new(ApprovalRef)
			return scanApprovalRef(s, d.Approval)
		}
		return false
	})
}

func scanApprovalRef(s *jsonscan.Scanner, a *ApprovalRef) bool {
	return s.Object(approvalRefShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&a.ID)
		case "status":
			return s.Word((*string)(&a.Status), approvalStatuses)
		case "expires_at":
			return s.String((*string)(&a.ExpiresAt))
		case "decide_by":
			return s.String((*string)(&a.DecideBy))
		case "use_by":
			return s.String((*string)(&a.UseBy))
		case "url":
			return s.String(&a.URL)
		}
		return false
	})
}
