package crvgate

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
)

// NotNull fails with MISSING_DATA when the data is null. Zero, false and empty
// values are not null.
func NotNull() Validator[any] { return notNull }

var notNull = rule(func(data, _ any) aureus.ValidationResult {
	if data == nil {
		return Fail(aureus.MissingData, "the data is null")
	}
	return because(Pass(), "the data is not null")
})

// Field is one field of a [Schema] and the name of its type: string, number,
// boolean, object, array or integer. As in the original, null and arrays are
// objects too (SPEC 4.3).
type Field struct{ Name, Type string }

var fieldTypes = []string{"string", "number", "boolean", "object", "array", "integer"}

// Schema checks fields in the given order, and the first failure decides:
// MISSING_DATA for an absent one, CONFLICT for one of another type. Data that
// is no object is a CONFLICT. Further fields are ignored. It panics when a type
// has another name than those of [Field].
func Schema(fields ...Field) Validator[any] {
	fields = slices.Clone(fields)
	for _, field := range fields {
		if !slices.Contains(fieldTypes, field.Type) {
			panic(fmt.Sprintf("crvgate: Schema: field %q has the type %q: it must be one of %s",
				field.Name, field.Type, strings.Join(fieldTypes, ", ")))
		}
	}
	return rule(func(data, _ any) aureus.ValidationResult {
		if !isObject(data) {
			return noObject(data)
		}
		for _, field := range fields {
			value, found := lookup(data, field.Name)
			if !found {
				return missing(field.Name)
			}
			if !hasType(value, field.Type) {
				return Fail(aureus.Conflict, fmt.Sprintf("the field %q must be of type %s, not %s", field.Name, field.Type, kindOf(value)))
			}
		}
		return because(Pass(), "the data has the declared fields")
	})
}

func hasType(value any, name string) bool {
	switch name {
	case "object":
		return value == nil || isObject(value)
	case "integer":
		n, ok := value.(json.Number)
		return ok && decimalOf(n).isInteger()
	default:
		return kindOf(value) == name
	}
}

// Monotonic fails with CONFLICT when the field version is lower than in the
// previous state: numbers compare as numbers, exactly, and texts as text, in
// UTF-16 order; 0 is a version, and an empty text or false is 0 beside a number.
// Without a previous state (none, null, 0, false or an empty text) it passes
// with confidence 1, and else with 0.9, because it says nothing where one of the
// versions is absent or null, or where a text that is no number meets a number.
// A version that is an object or an array has no order: CONFLICT. See
// [TemporalMonotonic] for the stricter rule.
func Monotonic() Validator[any] { return monotonic }

var monotonic = rule(func(data, previous any) aureus.ValidationResult {
	if !truthy(previous) {
		return because(Pass(), "there is no previous state to compare with")
	}
	if data == nil {
		return Fail(aureus.Conflict, "the data is null, and its version cannot be compared")
	}
	before, _ := lookup(previous, "version")
	after, _ := lookup(data, "version")
	if before != nil && after != nil {
		if isObject(before) || isObject(after) {
			return Fail(aureus.Conflict, "a version is an object or an array, which has no order")
		}
		if isLess(after, before) {
			return Fail(aureus.Conflict, "the version is lower than before")
		}
	}
	return because(confident(Pass(), 0.9), "the version is not lower than before")
})

// isLess is JavaScript's a < b of booleans, strings and numbers.
func isLess(a, b any) bool {
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return lessUTF16(a, b)
		}
	}
	x, okX := toNumber(a)
	y, okY := toNumber(b)
	return okX && okY && decimalOf(x).compare(decimalOf(y)) < 0
}

// toNumber is a value as a number; text that is none has no order.
func toNumber(value any) (json.Number, bool) {
	switch value := value.(type) {
	case json.Number:
		return value, true
	case bool:
		if value {
			return "1", true
		}
		return "0", true
	case string:
		text := strings.TrimSpace(value)
		if text == "" {
			return "0", true
		}
		return json.Number(text), isNumber(text)
	default:
		return "", false
	}
}

// lessUTF16 compares by UTF-16 code units, as JavaScript does. That differs from
// the order of bytes where a character beyond U+FFFF meets one above U+DFFF.
func lessUTF16(a, b string) bool {
	for a != "" && b != "" {
		x, sizeX := utf8.DecodeRuneInString(a)
		y, sizeY := utf8.DecodeRuneInString(b)
		if x != y {
			return firstUnit(x) < firstUnit(y) || firstUnit(x) == firstUnit(y) && x < y
		}
		a, b = a[sizeX:], b[sizeY:]
	}
	return a == "" && b != ""
}

func firstUnit(r rune) rune {
	if high, _ := utf16.EncodeRune(r); high != utf8.RuneError {
		return high
	}
	return r
}

// MaxSize fails with OUT_OF_SCOPE when the compact JSON text of the data has
// more than limit UTF-16 code units, counted as JavaScript writes it: "é€" is
// 4, and so is "😀" (SPEC, trap 19).
func MaxSize(limit int) Validator[any] {
	return rule(func(data, _ any) aureus.ValidationResult {
		if size := jsonSize(data); size > limit {
			return Fail(aureus.OutOfScope, fmt.Sprintf("the data has %d characters of JSON, and %d are allowed", size, limit))
		}
		return because(Pass(), "the size of the data is within the limit")
	})
}

// Custom makes a validator of a predicate. False fails with the code, or
// POLICY_VIOLATION where the code is empty. An error says that the predicate
// could not judge: TOOL_ERROR. A reason that is not empty is given for pass and
// fail alike. The type of the change is inferred from the predicate. It panics
// when the predicate is nil or the code is unknown.
func Custom[T any](name string, predicate func(ctx context.Context, change Change[T]) (bool, error), reason string, code aureus.FailureTaxonomy) Validator[T] {
	if predicate == nil {
		panic("crvgate: Custom: there is no predicate")
	}
	if code == "" {
		code = aureus.PolicyViolation
	}
	if !code.Valid() {
		panic(fmt.Sprintf("crvgate: Custom: %q is no failure code", code))
	}
	passed, failed := reason, reason
	if reason == "" {
		passed, failed = name+" holds", name+" does not hold"
	}
	return func(ctx context.Context, change Change[T]) aureus.ValidationResult {
		holds, err := predicate(ctx, change)
		switch {
		case err != nil:
			return Fail(aureus.ToolError, name+" could not be judged: "+err.Error())
		case !holds:
			return Fail(code, failed)
		default:
			return because(Pass(), passed)
		}
	}
}
