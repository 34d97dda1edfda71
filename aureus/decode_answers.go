package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	checkAnswerShape = jsonscan.ShapeOf[checkAnswer]()
	batchAnswerShape = jsonscan.ShapeOf[batchAnswer]()
	rejectionShape   = jsonscan.ShapeOf[Rejection]()
)

func scanCheckAnswer(s *jsonscan.Scanner, a *checkAnswer) bool {
	return s.Object(checkAnswerShape, func(string) bool { return s.Bool(&a.Allowed) })
}

func scanBatchAnswer(s *jsonscan.Scanner, a *batchAnswer) bool {
	return s.Object(batchAnswerShape, func(name string) bool {
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
