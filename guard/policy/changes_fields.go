package policy

import (
	"encoding/json"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// fieldsOf returns the keys of a part of the text that are present, without positions.
func fieldsOf(part any) (fields []field) {
	value := reflect.ValueOf(part)
	for n := range value.NumField() {
		if shape := shapeOf(value.Field(n)); shape != nil {
			fields = append(fields, field{keyOf(value.Type().Field(n).Name), textOf(shape)})
		}
	}
	return fields
}

// keyOf returns the key of a field as it is written in a bundle: tier_when for TierWhen.
func keyOf(name string) string {
	if name == "ID" {
		return "id"
	}
	var key strings.Builder
	for n, r := range name {
		if unicode.IsUpper(r) && n > 0 {
			key.WriteByte('_')
		}
		key.WriteRune(unicode.ToLower(r))
	}
	return key.String()
}

// shapeOf returns a part of a document as JSON values, without positions and without what
// is absent, for which it is nil.
func shapeOf(value reflect.Value) any {
	switch value.Kind() {
	case reflect.Pointer:
		if value.IsNil() {
			return nil
		}
		return shapeOf(value.Elem())
	case reflect.Slice:
		list := make([]any, 0, value.Len())
		for n := range value.Len() {
			list = append(list, shapeOf(value.Index(n)))
		}
		if len(list) == 0 {
			return nil
		}
		return list
	case reflect.Struct:
		return shapeOfStruct(value)
	case reflect.Bool:
		if !value.Bool() {
			return nil
		}
		return true
	default:
		return value.Interface()
	}
}

func shapeOfStruct(value reflect.Value) any {
	switch part := value.Interface().(type) {
	case syntax.Pos:
		return nil
	case syntax.Text:
		if part.Value == "" {
			return nil
		}
		return part.Value
	case syntax.Integer:
		if !part.Set() {
			return nil
		}
		return part.Value
	case syntax.Number:
		if part.Value == "" {
			return nil
		}
		if number, err := part.Value.Float64(); err == nil {
			return number // the same for 3 and 3.0
		}
		return part.Value
	case syntax.Duration:
		if part.Value == time.Duration(0) {
			return nil
		}
		return formatWindow(part.Value)
	case syntax.Value:
		if part.Value == nil {
			return nil
		}
		return part.Value
	}
	members := map[string]any{}
	for n := range value.NumField() {
		if shape := shapeOf(value.Field(n)); shape != nil {
			members[keyOf(value.Type().Field(n).Name)] = shape
		}
	}
	return members
}

// textOf returns a value as text: a text as it is, and everything else as JSON.
func textOf(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil { // cannot happen: it is free-form JSON
		return "?"
	}
	return strings.TrimSuffix(text.String(), "\n")
}

func tierLine(document *syntax.Document, tier aureus.PolicyRiskTier) int {
	for _, entry := range document.Tiers {
		if entry.Tier.Value == string(tier) {
			return entry.Tier.Line
		}
	}
	return 0
}
