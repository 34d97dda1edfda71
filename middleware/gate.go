package middleware

import (
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// gateError is the error of a gate that refused a change, such as *crvgate.Blocked.
type gateError interface {
	error
	GateResult() aureus.GateResult
}

const codeBlocked = "CRV_VALIDATION_FAILED" // if the gate has no failure code

// blocked returns the response for a change that a gate refused. It contains the reasons of
// the validators, but not their metadata.
func blocked(result aureus.GateResult) *problem {
	code := string(result.FailureCode)
	if !result.FailureCode.Valid() {
		code = codeBlocked
	}
	var p *problem
	switch {
	case result.Undecided():
		p = newProblem(http.StatusServiceUnavailable, "validation-failed", "The change could not be validated", code,
			"The validators failed to work, so the change was not made. Try again later.")
		p.retryAfter = retryUndecided
	case result.FailureCode == aureus.Conflict:
		p = newProblem(http.StatusConflict, "change-blocked", "The change was blocked", code,
			"The change conflicts with the current state or with itself, and was not made.")
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

// faults lists the failed validators.
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
