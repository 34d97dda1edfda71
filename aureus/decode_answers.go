package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	checkAnswerShape   = jsonscan.ShapeOf[checkAnswer]()
	batchResponseShape = jsonscan.ShapeOf[batchResponse]()
	rejectionShape     = jsonscan.ShapeOf[Rejection]()
)

func scanCheckAnswer(s *jsonscan.Scanner, a *checkAnswer) bool {
	return s.Object(checkAnswerShape, func(name string) bool {
		switch name {
		case "allowed":
			return s.Bool(&a.Allowed)
		case "has_permission":
			a.HasPermission = new(bool)
			return s.Bool(a.HasPermission)
		case "requires_human_approval":
			return s.Bool(&a.RequiresHumanApproval)
		case "effect":
			return s.String(&a.Effect)
		case "reason_code":
			return s.String((*string)(&a.ReasonCode))
		case "approval_token":
			return s.String(&a.ApprovalToken)
		case "approval":
			a.Approval = new(ApprovalRef)
			return scanApprovalRef(s, a.Approval)
		}
		return false
	})
}

func scanBatchResponse(s *jsonscan.Scanner, a *batchResponse) bool {
	return s.Object(batchResponseShape, func(name string) bool {
		switch name {
		case "accepted":
			return jsonscan.Int(s, &a.Accepted)
		case "rejected":
			return jsonscan.ListOf(s, &a.Rejected, scanRejection)
		}
		return false
	})
}

func scanRejection(s *jsonscan.Scanner, r *Rejection) bool {
	return s.Object(rejectionShape, func(name string) bool {
		switch name {
		case "index":
			return jsonscan.Int(s, &r.Index)
		case "reason":
			return s.String(&r.Reason)
		}
		return false
	})
}
