package crvgate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// judgement is what the validators of one gate said of one change, and what
// follows from it. It knows no type of change, so that gates of every type and
// the wire's gate decide by the same code.
type judgement struct {
	results []aureus.ValidationResult
	invalid bool // some result is invalid
	unsure  bool // some valid result has too little confidence
	stopped bool // the change could not be judged: refuses in every mode
}

// add takes one more result. Here and below a judgement is passed by value, so
// that the room for its results can stay on the stack.
func (j judgement) add(result aureus.ValidationResult) judgement {
	j.results = append(j.results, result)
	j.invalid = j.invalid || !result.Valid
	return j
}

// weigh counts the results from the given one on.
func (j judgement) weigh(from int, required float64) judgement {
	for i := from; i < len(j.results); i++ {
		result := &j.results[i]
		if !result.Valid {
			j.invalid = true
		} else if required != 0 {
			confidence, known := confidenceOf(result)
			if !known || !(required > 0) || !(confidence >= required) { // a NaN threshold is never reached
				j.unsure = true
			}
		}
	}
	return j
}

// refuseEach stands in for rules that the change could not be shown to.
func (j judgement) refuseEach(rules int, err error) judgement {
	for range rules {
		j = j.add(Fail(aureus.Conflict, "the change has no JSON form: "+err.Error()))
	}
	return j
}

// stop refuses because the change cannot be judged.
func (j judgement) stop(reason string) judgement {
	j = j.add(broken(reason))
	j.stopped = true
	return j
}

// stopAtEnd stops when the context has ended.
func (j judgement) stopAtEnd(ctx context.Context) judgement {
	if ctx == nil {
		return j.stop("the gate was given no context")
	}
	if err := ctx.Err(); err != nil {
		return j.stop("the gate had not finished: " + err.Error())
	}
	return j
}

func (j judgement) passed() bool { return !j.invalid && !j.unsure && !j.stopped }

// admitted is the one place that says whether a change may be made.
func (j judgement) admitted(set *settings) bool {
	return j.passed() || set.nonBlocking && !j.stopped
}

// conclude makes the result that callers see.
func (s *settings) conclude(j judgement) aureus.GateResult {
	result := aureus.GateResult{
		Passed: j.passed(), GateName: s.name, ValidationResults: presentable(j.results),
		BlockedCommit: !j.admitted(s), Timestamp: aureus.TimestampOf(time.Now()),
	}
	switch {
	case result.Passed:
		result.CRVStatus = vocab.CRVPassed
		return result
	case result.BlockedCommit:
		result.CRVStatus = vocab.CRVBlocked
	default:
		result.CRVStatus = vocab.CRVWarning
	}
	result.RecoveryStrategy = maps.Clone(s.recovery)
	coded := slices.IndexFunc(result.ValidationResults, func(r aureus.ValidationResult) bool {
		return !r.Valid && r.FailureCode != ""
	})
	switch {
	case coded >= 0:
		result.FailureCode = result.ValidationResults[coded].FailureCode
		result.Remediation = result.ValidationResults[coded].Remediation
	case !j.invalid: // confidence alone failed (SPEC C1)
		result.FailureCode = aureus.LowConfidence
		result.Remediation = aureus.LowConfidence.Remediation()
	}
	return result
}

// presentable copies results for others to keep: with confidences of their own,
// nothing that the wire refuses (SPEC, trap 11), and a remediation for every
// coded failure (SPEC C6).
func presentable(results []aureus.ValidationResult) []aureus.ValidationResult {
	copies := append([]aureus.ValidationResult{}, results...)
	for i := range copies {
		r := &copies[i]
		if confidence, known := confidenceOf(r); known {
			r.Confidence = &confidence
		} else {
			r.Confidence = nil
		}
		if r.FailureCode != "" && !r.FailureCode.Valid() {
			r.Reason += fmt.Sprintf(" [the validator names the unknown failure code %q]", r.FailureCode)
			r.FailureCode = ""
		}
		if !r.Valid && r.FailureCode != "" && r.Remediation == "" {
			r.Remediation = r.FailureCode.Remediation()
		}
	}
	return copies
}

// confidenceOf reads a confidence; one that is not a number from 0 to 1 is none.
func confidenceOf(result *aureus.ValidationResult) (confidence float64, known bool) {
	switch {
	case result.Confidence == nil:
		return 0, false
	case result.Confidence == &certain:
		return 1, true
	}
	confidence = *result.Confidence
	return confidence, confidence >= 0 && confidence <= 1
}

// broken is the result of a validator that could not judge. It has no
// confidence: nothing was judged.
func broken(reason string) aureus.ValidationResult {
	return aureus.ValidationResult{
		Reason: reason, FailureCode: aureus.ToolError, Remediation: aureus.ToolError.Remediation(),
	}
}
