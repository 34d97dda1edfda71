package validators

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
)

// NotNull fails with MISSING_DATA if the data is null. Zero, false and empty values
// are not null.
func NotNull() crvgate.Validator[any] { return checks.NotNull }

// Field is a field of a [Schema]. Type is string, number, boolean, object, array or
// integer. Null and arrays count as objects; 2.0 counts as an integer.
type Field struct{ Name, Type string }

// Schema checks that the data has the fields, each of its type. It checks them in
// the given order and reports the first failure: MISSING_DATA if a field is absent,
// CONFLICT if it has another type. Data that is not an object is a CONFLICT. Fields
// that are not listed are ignored. It panics if a Type is not one of those in [Field].
func Schema(fields ...Field) crvgate.Validator[any] {
	declared := make([]checks.Field, len(fields))
	for i, field := range fields {
		if !slices.Contains(checks.FieldTypes, field.Type) {
			panic(fmt.Sprintf("crvgate: Schema: field %q has the type %q: it must be one of %s",
				field.Name, field.Type, strings.Join(checks.FieldTypes, ", ")))
		}
		declared[i] = checks.Field(field)
	}
	return checks.Schema(declared)
}

// Monotonic fails with CONFLICT if the field version is lower than in the previous
// state. Two numbers are compared exactly. Two strings are compared as text, by UTF-16
// code unit. If only one of the two is a string, it is converted to a number; an empty
// string and false are 0, and true is 1. A version that is an object or an array is a
// CONFLICT.
//
// Without a previous state (none, null, 0, false or an empty string) it passes with
// confidence 1. Otherwise it passes with confidence 0.9, because it also passes if the
// versions cannot be compared: a version is absent or null, or a number is compared with
// a string that is not a number. [TemporalMonotonic] is stricter.
func Monotonic() crvgate.Validator[any] { return checks.Monotonic }

// MaxSize fails with OUT_OF_SCOPE if the compact JSON text of the data has more than
// limit UTF-16 code units: "é€" has 4, with its quotation marks, and so has "😀".
func MaxSize(limit int) crvgate.Validator[any] { return checks.MaxSize(limit) }

// Custom returns a validator that calls a function, which reports whether a change may
// be made. If it may not, the result has the code, or POLICY_VIOLATION if the code is
// empty. If the function returns an error, the result is a TOOL_ERROR. The reason is
// used for passes and failures; if it is empty, the reason is a text with the name. The
// type of the change is inferred from the function. Custom panics if the function is nil
// or the code is unknown.
func Custom[T any](name string, holds func(ctx context.Context, change crvgate.Change[T]) (bool, error), reason string, code aureus.FailureTaxonomy) crvgate.Validator[T] {
	if holds == nil {
		panic("crvgate: Custom: the function is nil")
	}
	if code == "" {
		code = aureus.PolicyViolation
	}
	if !code.Valid() {
		panic(fmt.Sprintf("crvgate: Custom: %q is not a failure code", code))
	}
	passed, failed := reason, reason
	if reason == "" {
		passed, failed = name+" holds", name+" does not hold"
	}
	return func(ctx context.Context, change crvgate.Change[T]) aureus.ValidationResult {
		ok, err := holds(ctx, change)
		switch {
		case err != nil:
			return crvgate.Fail(aureus.ToolError, name+" could not be judged: "+err.Error())
		case !ok:
			return crvgate.Fail(code, failed)
		default:
			result := crvgate.Pass()
			result.Reason = passed
			return result
		}
	}
}
