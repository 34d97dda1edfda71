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

// judgement collects the results of the validators of one gate for one change. It does
// not depend on the type of the change, so that gates of every type share this code. It
// is passed by value, so that its results can stay on the stack.
type judgement struct {
	results []aureus.ValidationResult
	invalid bool // some result is invalid
	unsure  bool // some valid result does not reach the required confidence
	stopped bool // the change could not be judged, so it is refused even by a non-blocking gate
}

// add adds a result.
func (j judgement) add(result aureus.ValidationResult) judgement {
	j.results = append(j.results, result)
	j.invalid = j.invalid || !result.Valid
	return j
}

// assess updates the judgement for the results from the given index on.
func (j judgement) assess(from int, required float64) judgement {
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

// refuseEach adds a failure for each validator that needs the JSON form of the change.
func (j judgement) refuseEach(rules int, err error) judgement {
	for range rules {
		j = j.add(Fail(aureus.Conflict, "the change has no JSON form: "+err.Error()))
	}
	return j
}

// stop adds a failure because the change cannot be judged.
func (j judgement) stop(reason string) judgement {
	j = j.add(toolError(reason))
	j.stopped = true
	return j
}

// stopIfEnded stops if the context has ended or is nil.
func (j judgement) stopIfEnded(ctx context.Context) judgement {
	if ctx == nil {
		return j.stop("the gate was given no context")
	}
	if err := ctx.Err(); err != nil {
		return j.stop("the gate had not finished: " + err.Error())
	}
	return j
}

func (j judgement) passed() bool { return !j.invalid && !j.unsure && !j.stopped }

// admitted reports whether the change may be made. No other code decides that.
func (j judgement) admitted(set *settings) bool {
	return j.passed() || set.nonBlocking && !j.stopped
}

// conclude returns the result of the gate.
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
	case !j.invalid: // only a confidence was too low
		result.FailureCode = aureus.LowConfidence
		result.Remediation = aureus.LowConfidence.Remediation()
	}
	return result
}

// presentable returns copies of results for the caller. Each copy has its own confidence
// pointer. Confidences and failure codes that the API does not accept are removed, and
// each failure with a code has a remediation.
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
			r.Reason += fmt.Sprintf(" [the validator returned the unknown failure code %q]", r.FailureCode)
			r.FailureCode = ""
		}
		if !r.Valid && r.FailureCode != "" && r.Remediation == "" {
			r.Remediation = r.FailureCode.Remediation()
		}
	}
	return copies
}

// confidenceOf returns the confidence of a result. known is false if the result has no
// confidence from 0 to 1.
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

// toolError returns the result of a validator that could not judge the change. It has no
// confidence, because nothing was judged.
func toolError(reason string) aureus.ValidationResult {
	return aureus.ValidationResult{
		Reason: reason, FailureCode: aureus.ToolError, Remediation: aureus.ToolError.Remediation(),
	}
}
