package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	approvalShape         = jsonscan.ShapeOf[Approval]()
	mayChangeShape        = jsonscan.ShapeOf[MayChange]()
	quorumShape           = jsonscan.ShapeOf[Quorum]()
	approvalDecisionShape = jsonscan.ShapeOf[ApprovalDecision]()
	approvalResponseShape = jsonscan.ShapeOf[approvalResponse]()
)

func scanApproval(s *jsonscan.Scanner, a *Approval) bool {
	return s.Object(approvalShape, func(name string) bool {
		switch name {
		case "id":
			return s.String(&a.ID)
		case "status":
			return s.Word((*string)(&a.Status), approvalStatuses)
		case "principal":
			return scanPrincipal(s, &a.Principal)
		case "on_behalf_of":
			return s.String(&a.OnBehalfOf)
		case "action":
			return scanAction(s, &a.Action)
		case "tool_name":
			return s.String(&a.ToolName)
		case "arguments":
			return s.Value(&a.Arguments)
		case "http":
			a.HTTP = new(HTTPCall)
			return scanHTTPCall(s, a.HTTP)
		case "volatile":
			return s.Texts(&a.Volatile)
		case "redacted":
			return s.Texts(&a.Redacted)
		case "escaped":
			return s.Texts(&a.Escaped)
		case "may_change":
			return jsonscan.ListOf(s, &a.MayChange, scanMayChange)
		case "has_permission":
			return s.Bool(&a.HasPermission)
		case "risk_tier":
			return scanTier(s, &a.RiskTier)
		case "reason":
			return s.String(&a.Reason)
		case "reason_code":
			return s.String((*string)(&a.ReasonCode))
		case "rule":
			return s.String(&a.Rule)
		case "policy_version":
			return s.String(&a.PolicyVersion)
		case "requested_at":
			return s.String((*string)(&a.RequestedAt))
		case "requested_by_key":
			return s.String(&a.RequestedByKey)
		case "requested_by":
			return s.String(&a.RequestedBy)
		case "expires_at":
			return s.String((*string)(&a.ExpiresAt))
		case "decide_by":
			return s.String((*string)(&a.DecideBy))
		case "use_by":
			return s.String((*string)(&a.UseBy))
		case "quorum":
			return scanQuorum(s, &a.Quorum)
		case "decisions":
			return jsonscan.ListOf(s, &a.Decisions, scanApprovalDecision)
		case "action_digest":
			return s.Text(&a.ActionDigest)
		case "consumed_by":
			return s.Text(&a.ConsumedBy)
		case "released_by":
			return s.Text(&a.ReleasedBy)
		case "url":
			return s.String(&a.URL)
		}
		return false
	})
}

func scanMayChange(s *jsonscan.Scanner, m *MayChange) bool {
	return s.Object(mayChangeShape, func(name string) bool {
		switch name {
		case "pointer":
			return s.String(&m.Pointer)
		case "value":
			return s.Value(&m.Value)
		}
		return false
	})
}

func scanQuorum(s *jsonscan.Scanner, q *Quorum) bool {
	return s.Object(quorumShape, func(name string) bool {
		switch name {
		case "needed":
			return jsonscan.Int(s, &q.Needed)
		case "have":
			return jsonscan.Int(s, &q.Have)
		}
		return false
	})
}

func scanApprovalDecision(s *jsonscan.Scanner, d *ApprovalDecision) bool {
	return s.Object(approvalDecisionShape, func(name string) bool {
		switch name {
		case "by":
			return s.String(&d.By)
		case "at":
			return s.String((*string)(&d.At))
		case "verdict":
			return s.String(&d.Verdict)
		case "comment":
			return s.String(&d.Comment)
		}
		return false
	})
}

func scanApprovalResponse(s *jsonscan.Scanner, a *approvalResponse) bool {
	return s.Object(approvalResponseShape, func(name string) bool {
		switch name {
		case "approval_token":
			return s.String(&a.ApprovalToken)
		case "approval":
			a.Approval = new(Approval)
			return scanApproval(s, a.Approval)
		case "joined":
			return s.Bool(&a.Joined)
		case "hint":
			return s.String((*string)(&a.Hint))
		}
		return false
	})
}
