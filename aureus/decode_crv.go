package aureus

import "github.com/farmountain/aureus-go/internal/jsonscan"

var (
	gateResultShape       = jsonscan.ShapeOf[GateResult]()
	validationResultShape = jsonscan.ShapeOf[ValidationResult]()
)

func scanGateResult(s *jsonscan.Scanner, g *GateResult) bool {
	return s.Object(gateResultShape, func(name string) bool {
		switch name {
		case "passed":
			return s.Bool(&g.Passed)
		case "gate_name":
			return s.String(&g.GateName)
		case "validation_results":
			g.ValidationResults = []ValidationResult{}
			return s.List(func() bool {
				g.ValidationResults = append(g.ValidationResults, ValidationResult{})
				return scanValidationResult(s, &g.ValidationResults[len(g.ValidationResults)-1])
			})
		case "blocked_commit":
			return s.Bool(&g.BlockedCommit)
		case "timestamp":
			return s.String((*string)(&g.Timestamp))
		case "recovery_strategy":
			return s.Map(&g.RecoveryStrategy)
		case "crv_status":
			return s.String(&g.CRVStatus)
		case "failure_code":
			return s.Word((*string)(&g.FailureCode), failureWords)
		case "remediation":
			return s.String(&g.Remediation)
		}
		return false
	})
}

func scanValidationResult(s *jsonscan.Scanner, r *ValidationResult) bool {
	return s.Object(validationResultShape, func(name string) bool {
		switch name {
		case "valid":
			return s.Bool(&r.Valid)
		case "reason":
			return s.String(&r.Reason)
		case "confidence":
			r.Confidence = new(float64)
			return s.Float(r.Confidence) && *r.Confidence >= 0 && *r.Confidence <= 1
		case "metadata":
			return s.Map(&r.Metadata)
		case "failure_code":
			return s.Word((*string)(&r.FailureCode), failureWords)
		case "remediation":
			return s.String(&r.Remediation)
		}
		return false
	})
}
