package checks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/parameters"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// NotNull is the validator not_null.
var NotNull = onJSON(func(data, _ any) aureus.ValidationResult {
	if data == nil {
		return crvgate.Fail(aureus.MissingData, "the data is null")
	}
	return withReason(crvgate.Pass(), "the data is not null")
})

// Field is one field of a [Schema] and the name of its type, one of [FieldTypes].
type Field struct{ Name, Type string }

// FieldTypes lists the types that a field may have.
var FieldTypes = []string{"string", "number", "boolean", "object", "array", "integer"}

// Schema returns the validator schema. It checks the fields in the given order. It keeps the
// slice, so the caller must not modify it.
func Schema(fields []Field) crvgate.Validator[any] {
	return onJSON(func(data, _ any) aureus.ValidationResult {
		if !isObject(data) {
			return notAnObject(data)
		}
		for _, field := range fields {
			value, found := lookup(data, field.Name)
			if !found {
				return missing(field.Name)
			}
			if !hasType(value, field.Type) {
				return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the field %q must be of type %s, not %s", field.Name, field.Type, jsonvalue.Kind(value)))
			}
		}
		return withReason(crvgate.Pass(), "the data has the declared fields")
	})
}

// hasType reports whether a value has the type of a [Field].
func hasType(value any, name string) bool {
	switch name {
	case "object":
		return value == nil || isObject(value)
	case "integer":
		n, ok := value.(json.Number)
		return ok && jsonvalue.DecimalOf(n).IsInteger()
	default:
		return jsonvalue.Kind(value) == name
	}
}

// Monotonic is the validator monotonic.
var Monotonic = onJSON(func(data, previous any) aureus.ValidationResult {
	if !truthy(previous) {
		return withReason(crvgate.Pass(), "there is no previous state to compare with")
	}
	if data == nil {
		return crvgate.Fail(aureus.Conflict, "the data is null, and its version cannot be compared")
	}
	before, _ := lookup(previous, "version")
	after, _ := lookup(data, "version")
	if before != nil && after != nil {
		if isObject(before) || isObject(after) {
			return crvgate.Fail(aureus.Conflict, "a version is an object or an array, which cannot be compared")
		}
		if isLess(after, before) {
			return crvgate.Fail(aureus.Conflict, "the version is lower than in the previous state")
		}
	}
	return withReason(withConfidence(crvgate.Pass(), 0.9), "the version is not lower than in the previous state")
})

// isLess returns a < b as JavaScript computes it for booleans, strings and numbers.
func isLess(a, b any) bool {
	if a, ok := a.(string); ok {
		if b, ok := b.(string); ok {
			return lessUTF16(a, b)
		}
	}
	x, okX := toNumber(a)
	y, okY := toNumber(b)
	return okX && okY && jsonvalue.DecimalOf(x).Compare(jsonvalue.DecimalOf(y)) < 0
}

// toNumber converts a value to a number as JavaScript does for a comparison. ok is false
// for a string that is not a number; such a string is neither less nor greater than any
// value.
func toNumber(value any) (number json.Number, ok bool) {
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
		return json.Number(text), jsonvalue.IsNumber(text)
	default:
		return "", false
	}
}

// lessUTF16 compares strings by UTF-16 code units, as JavaScript does. The order differs
// from that of bytes if one character is above U+FFFF and the other is from U+E000 to
// U+FFFF.
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

// firstUnit returns the first UTF-16 code unit of a character.
func firstUnit(r rune) rune {
	if high, _ := utf16.EncodeRune(r); high != utf8.RuneError {
		return high
	}
	return r
}

// MaxSize returns the validator max_size.
func MaxSize(limit int) crvgate.Validator[any] {
	return onJSON(func(data, _ any) aureus.ValidationResult {
		if size := jsonvalue.Size(data); size > limit {
			return crvgate.Fail(aureus.OutOfScope, fmt.Sprintf("the data has %d characters of JSON, and the limit is %d", size, limit))
		}
		return withReason(crvgate.Pass(), "the size of the data is within the limit")
	})
}

func buildSchema(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	member := p.Take(true, "fields", "expected_schema")
	if member == nil {
		return nil
	}
	declared, err := strictjson.Members(member.Text)
	if err != nil {
		p.WrongKind(member, "an object")
		return nil
	}
	before := len(p.Problems)
	fields := make([]Field, 0, len(declared))
	for _, field := range declared {
		value, _ := strictjson.Parse(field.Value) // valid, because the whole object was parsed
		name, _ := value.(string)
		if !slices.Contains(FieldTypes, name) {
			p.Problems = append(p.Problems, parameters.Problem{
				Pointer: parameters.PointerTo(parameters.PointerTo(p.Pointer, member.Written), field.Name),
				Message: "must be one of " + strings.Join(FieldTypes, ", "),
			})
		}
		fields = append(fields, Field{Name: field.Name, Type: name})
	}
	if len(p.Problems) > before {
		return nil
	}
	return Schema(fields)
}

func buildMaxSize(p *parameters.Object, _ func() time.Time) crvgate.Validator[any] {
	return MaxSize(wholeLimit(p.Magnitude(true, "max", "max_bytes")))
}

// wholeLimit returns the limit rounded down to a whole number, but at most 2^53.
func wholeLimit(limit json.Number) int {
	const largest = 1 << 53
	return int(min(jsonvalue.Float(limit), largest))
}
