package crvgate

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// Change is a state change that has not been made yet. It is passed by value:
// what a validator does to its copy does not reach the next one, unless Data
// holds pointers, slices or maps, which are shared ([Gate.DetectMutation] finds
// who changes those).
type Change[T any] struct {
	ID          string         // names the change in reports; may be empty
	Data        T              // the state that would be committed
	Previous    T              // the state before; meaningless without HasPrevious
	HasPrevious bool           // whether there is a state before
	Metadata    map[string]any // such as workflowId and taskId (SPEC 4.1); may be nil
}

// Validator judges one change. It must not modify what the change points to,
// and it must be safe for concurrent use. The zero result is a refusal without
// a code. A panic is a refusal with the code TOOL_ERROR, and so is a nil
// Validator (SPEC C3). A validator that may take long heeds its context: the
// gate waits for it.
//
// A plain function of this shape is a Validator without a conversion.
type Validator[T any] func(ctx context.Context, change Change[T]) aureus.ValidationResult

// certain is the confidence of Pass and Fail. It is shared, so that passing
// does not allocate; a gate knows it by its address and never reads it.
var certain = 1.0

// Pass is the result for a change that is as it should be: valid, with
// confidence 1. For less confidence, put a pointer of your own into the result:
//
//	result := crvgate.Pass()
//	result.Confidence = new(0.7)
func Pass() aureus.ValidationResult {
	return aureus.ValidationResult{Valid: true, Confidence: &certain}
}

// Fail is the result for a change that must not be made: the class of failure,
// a reason for people, the standard hint of the class as remediation, and
// confidence 1. Reason and metadata of a result travel into errors, reports
// and telemetry: keep secrets out of them.
func Fail(code aureus.FailureTaxonomy, reason string) aureus.ValidationResult {
	return aureus.ValidationResult{
		Reason: reason, Confidence: &certain, FailureCode: code, Remediation: code.Remediation(),
	}
}
