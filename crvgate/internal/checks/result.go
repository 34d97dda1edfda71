package checks

import (
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// The functions below return a copy of a result with one field changed.

func withReason(result aureus.ValidationResult, reason string) aureus.ValidationResult {
	result.Reason = reason
	return result
}

func withConfidence(result aureus.ValidationResult, confidence float64) aureus.ValidationResult {
	result.Confidence = &confidence
	return result
}

// withMetadata sets the metadata. It must be free-form JSON, so that a caller in Go gets
// the same values as a caller of the API.
func withMetadata(result aureus.ValidationResult, metadata map[string]any) aureus.ValidationResult {
	result.Metadata = metadata
	return result
}

// withRemediation replaces the standard remediation of the failure code.
func withRemediation(result aureus.ValidationResult, remediation string) aureus.ValidationResult {
	result.Remediation = remediation
	return result
}

// notAnObject returns the result for data that is neither an object nor an array.
func notAnObject(data any) aureus.ValidationResult {
	return crvgate.Fail(aureus.Conflict, "the data must be an object, not "+jsonvalue.Kind(data))
}

// missing returns the result for data without a required field.
func missing(field string) aureus.ValidationResult {
	return crvgate.Fail(aureus.MissingData, fmt.Sprintf("the field %q is missing", field))
}

// putNumber adds a number to metadata if JSON can hold it.
func putNumber(metadata map[string]any, name string, f float64) {
	if jsonvalue.IsFinite(f) {
		metadata[name] = jsonvalue.FromFloat(f)
	}
}

// toolError returns the result of a validator that could not judge the change. It has no
// confidence, because nothing was judged.
func toolError(reason string) aureus.ValidationResult {
	result := crvgate.Fail(aureus.ToolError, reason)
	result.Confidence = nil
	return result
}
