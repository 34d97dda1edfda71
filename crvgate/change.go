package crvgate

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// Change is a state change that has not been made yet. It is passed by value: a
// validator that modifies its copy does not affect the next validator. Pointers,
// slices and maps in it are shared; [Gate.DetectMutation] finds a validator that
// modifies those.
type Change[T any] struct {
	ID          string         // the name of the change in reports; may be empty
	Data        T              // the state that would be committed
	Previous    T              // the state before the change; ignored unless HasPrevious is true
	HasPrevious bool           // whether there is a state before the change
	Metadata    map[string]any // such as workflowId and taskId, for [Report.Event]; may be nil
}

// Validator judges one change. It must not modify what the change points to, and it
// must be safe for concurrent use. The zero ValidationResult is a failure without a
// code. A panic, and a nil Validator, are failures with the code TOOL_ERROR. The gate
// waits for a validator, so one that may take long must return when its context ends.
//
// A function with this signature is a Validator; no conversion is needed.
type Validator[T any] func(ctx context.Context, change Change[T]) aureus.ValidationResult

// certain is the confidence of Pass and Fail. All results share it, so that a pass
// does not allocate. A gate recognizes it by its address and does not read the value,
// because a caller could have changed it.
var certain = 1.0

// Pass returns the result for a change that may be made: valid, with confidence 1. For
// a lower confidence, set a new pointer:
//
//	result := crvgate.Pass()
//	result.Confidence = new(0.7)
func Pass() aureus.ValidationResult {
	return aureus.ValidationResult{Valid: true, Confidence: &certain}
}

// Fail returns the result for a change that must not be made: with the code, a reason
// for people, the standard remediation of the code, and confidence 1. The reason and
// the metadata of a result appear in errors, reports and telemetry, so they must not
// contain secrets.
func Fail(code aureus.FailureTaxonomy, reason string) aureus.ValidationResult {
	return aureus.ValidationResult{
		Reason: reason, Confidence: &certain, FailureCode: code, Remediation: code.Remediation(),
	}
}
