package crvgate

import (
	"fmt"
	"math"

	"github.com/farmountain/aureus-go/aureus"
)

// The results of the built-in validators are put together from these.

func because(result aureus.ValidationResult, reason string) aureus.ValidationResult {
	result.Reason = reason
	return result
}

func confident(result aureus.ValidationResult, confidence float64) aureus.ValidationResult {
	result.Confidence = &confidence
	return result
}

// stating adds metadata in free form, as it would come back over the wire.
func stating(result aureus.ValidationResult, metadata map[string]any) aureus.ValidationResult {
	result.Metadata = metadata
	return result
}

// hinting replaces the standard hint of the code by a rule's own.
func hinting(result aureus.ValidationResult, remediation string) aureus.ValidationResult {
	result.Remediation = remediation
	return result
}

func noObject(data any) aureus.ValidationResult {
	return Fail(aureus.Conflict, "the data must be an object, not "+kindOf(data))
}

func missing(field string) aureus.ValidationResult {
	return Fail(aureus.MissingData, fmt.Sprintf("the field %q is missing", field))
}

// putNumber states a number that JSON can hold, and nothing else.
func putNumber(metadata map[string]any, name string, f float64) {
	if !math.IsNaN(f) && !math.IsInf(f, 0) {
		metadata[name] = numberOf(f)
	}
}
