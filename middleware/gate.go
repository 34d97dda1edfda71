package middleware

import (
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// gateError is an error that tells why a gate did not admit a change, such as
// crvgate's.
type gateError interface {
	error
	GateResult() aureus.GateResult
}

const codeBlocked = "CRV_VALIDATION_FAILED" // where the gate names no failure code

// blocked is the answer for a change that a gate did not admit. The reasons of
// the validators are for the caller; their metadata is not.
func blocked(result aureus.GateResult) *problem {
	code := string(result.FailureCode)
	if !result.FailureCode.Valid() {
		code = codeBlocked
	}
	var p *problem
	switch {
	case result.Undecided():
		p = newProblem(http.StatusServiceUnavailable, "validation-failed", "The change could not be validated", code,
			"What checks the change did not work, so the change was not made. Try again later.")
		p.retryAfter = retryUndecided
	case result.FailureCode == aureus.Conflict:
		p = newProblem(http.StatusConflict, "change-blocked", "The change was blocked", code,
			"The change conflicts with the present state or with itself, and was not made.")
	default:
		p = newProblem(http.StatusUnprocessableEntity, "change-blocked", "The change was blocked", code,
			"The change did not pass its validation, and was not made.")
	}
	p.Remediation = cut(result.Remediation)
	if p.Remediation == "" {
		p.Remediation = result.FailureCode.Remediation()
	}
	p.Errors = faults(result)
	p.outcome, p.gate = vocab.OutcomeBlocked, &result
	return p
}

func faults(result aureus.GateResult) []fault {
	var list []fault
	more := 0
	for _, v := range result.ValidationResults {
		switch {
		case v.Valid:
		case len(list) == maxFaults:
			more++
		default:
			f := fault{Detail: cut(v.Reason), Remediation: cut(v.Remediation)}
			if v.FailureCode.Valid() {
				f.Code = string(v.FailureCode)
			}
			if f.Remediation == "" {
				f.Remediation = v.FailureCode.Remediation()
			}
			list = append(list, f)
		}
	}
	if more > 0 {
		list = append(list, fault{Detail: "and " + strconv.Itoa(more) + " more"})
	}
	return list
}
