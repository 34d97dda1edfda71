package checks

import (
	"fmt"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
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
	return crvgate.Fail(aureus.Conflict, "the data must be an object, not "+jsonvalue.Kind(data))
}

func missing(field string) aureus.ValidationResult {
	return crvgate.Fail(aureus.MissingData, fmt.Sprintf("the field %q is missing", field))
}

// putNumber adds a number to metadata if JSON can hold it.
func putNumber(metadata map[string]any, name string, f float64) {
	if jsonvalue.IsFinite(f) {
		metadata[name] = jsonvalue.FromFloat(f)
	}
}

// undecided is the result of a validator that could not judge. It has no confidence,
// because nothing was judged.
func undecided(reason string) aureus.ValidationResult {
	result := crvgate.Fail(aureus.ToolError, reason)
	result.Confidence = nil
	return result
}
