// Package strictjson reads and writes JSON strictly. All JSON that a decision
// depends on is read by this package, or by package jsonscan, which accepts the same
// texts.
//
// Unlike encoding/json, it refuses duplicate names, names that differ from a declared
// one only in case, invalid UTF-8, trailing data, and nesting beyond [MaxDepth]. It
// checks members against the Go types of their fields, and reports all problems at
// once, each with its JSON pointer (RFC 6901). Free-form values (fields of type any)
// keep their numbers as [json.Number], so that integers beyond 2^53 keep all digits.
//
// A field is required if its json tag has neither omitzero nor omitempty. The tag
// `aureus:"optional"` makes such a field optional when reading; it is still always
// written. A null counts as absent. The tag `aureus:"min=1,max=10"` sets the bounds of
// a number, and `aureus:"alias=from"` gives a field a second name that is accepted when
// reading. docs/spec/json.md describes for users how JSON is read.
package strictjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strconv"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// MaxDepth is the maximum number of nested arrays and objects. It protects all code
// that walks a value recursively.
const MaxDepth = 100

// MaxValues is the maximum number of values in a text, so that a text of many small
// values does not need far more memory than its size.
const MaxValues = 250_000

var (
	number  = reflect.TypeFor[json.Number]()
	options = jsonv2.JoinOptions(
		jsonv2.Deterministic(true),
		jsonv2.WithMarshalers(jsonv2.MarshalToFunc(marshalNumber)),
		jsonv2.WithUnmarshalers(jsonv2.JoinUnmarshalers(
			jsonv2.UnmarshalFromFunc(unmarshalAny),
			jsonv2.UnmarshalFromFunc(unmarshalInt[int]),
			jsonv2.UnmarshalFromFunc(unmarshalInt[int64]),
		)),
	)
	lenientText = jsonv2.JoinOptions(options, jsontext.AllowInvalidUTF8(true))
)

// Marshal writes v compactly and without HTML escapes. The keys of maps are sorted.
// Invalid UTF-8, NaN and the infinities are errors.
func Marshal(v any) ([]byte, error) { return jsonv2.Marshal(v, options) }

// MarshalText is like [Marshal], but writes U+FFFD for invalid UTF-8 instead of
// returning an error. It is for telemetry, logs and messages.
func MarshalText(v any) ([]byte, error) { return jsonv2.Marshal(v, lenientText) }

// Unmarshal reads data, which must be one JSON value of the shape that v, a
// non-nil pointer, declares. A value of another shape is a [*ShapeError] that
// lists up to 100 problems; a text that is not JSON is a [*SyntaxError].
func Unmarshal(data []byte, v any) error {
	tree, err := Parse(data)
	if err != nil {
		return err
	}
	problems, renamed := check(tree, reflect.TypeOf(v).Elem())
	if len(problems) > 0 {
		return &ShapeError{Problems: problems}
	}
	if renamed {
		if data, err = Marshal(tree); err != nil {
			return err
		}
	}
	if err := jsonv2.Unmarshal(data, v, options); err != nil {
		return asShapeError(err)
	}
	return nil
}

// Parse reads data as one free-form JSON value: nil, bool, string, json.Number,
// []any or map[string]any. Errors are [*SyntaxError].
func Parse(data []byte) (any, error) {
	dec := jsontext.NewDecoder(newBuffer(data))
	left := MaxValues
	v, err := readValue(dec, 0, &left)
	if err != nil {
		return nil, syntaxError(data, dec, err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		if err == nil {
			err = errors.New("there is text after the value")
		}
		return nil, syntaxError(data, dec, err)
	}
	return v, nil
}

// Normalize returns any Go value as the free-form value that [Parse] reads from its
// JSON text, with json.Number for numbers and map[string]any for structs.
func Normalize(v any) (any, error) {
	switch v := v.(type) {
	case nil, bool:
		return v, nil
	case string:
		if utf8.ValidString(v) {
			return v, nil
		}
	}
	text, err := Marshal(v)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// readValue reads one value that is inside depth arrays and objects. left is the number
// of values that the text may still have; readValue decreases it.
func readValue(dec *jsontext.Decoder, depth int, left *int) (any, error) {
	*left--
	if *left < 0 {
		return nil, fmt.Errorf("more than %d values", MaxValues)
	}
	tok, err := dec.ReadToken()
	if err != nil {
		return nil, err
	}
	kind := tok.Kind()
	if (kind == '[' || kind == '{') && depth >= MaxDepth {
		return nil, fmt.Errorf("nested more than %d levels deep", MaxDepth)
	}
	switch kind {
	case 'n':
		return nil, nil
	case 't', 'f':
		return tok.Bool(), nil
	case '"':
		return tok.String(), nil
	case '0':
		return json.Number(tok.String()), nil
	case '[':
		list := []any{}
		for dec.PeekKind() != ']' {
			v, err := readValue(dec, depth+1, left)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := dec.ReadToken()
		return list, err
	default: // '{': the decoder refuses everything else
		object := map[string]any{}
		for dec.PeekKind() != '}' {
			name, err := dec.ReadToken()
			if err != nil {
				return nil, err
			}
			key := name.String()
			v, err := readValue(dec, depth+1, left)
			if err != nil {
				return nil, err
			}
			object[key] = v
		}
		_, err := dec.ReadToken()
		return object, err
	}
}

func marshalNumber(enc *jsontext.Encoder, n json.Number) error {
	if n == "" {
		return enc.WriteToken(jsontext.Int(0))
	}
	v := jsontext.Value(n)
	if !v.IsValid() || v.Kind() != '0' {
		return fmt.Errorf("%q is not a JSON number", string(n))
	}
	return enc.WriteValue(v)
}

func unmarshalAny(dec *jsontext.Decoder, v *any) error {
	left := MaxValues
	value, err := readValue(dec, dec.StackDepth(), &left)
	if err != nil {
		return err
	}
	*v = value
	return nil
}

func unmarshalInt[T int | int64](dec *jsontext.Decoder, v *T) error {
	tok, err := dec.ReadToken()
	if err != nil {
		return err
	}
	if tok.Kind() == 'n' {
		*v = 0
		return nil
	}
	n, ok := Int(tok.String())
	if *v = T(n); !ok || int64(*v) != n {
		return errors.New("must be a whole number")
	}
	return nil
}

// Int converts a JSON number to a whole number. 2.0 and 2e0 are 2. ok is false if the
// number is not whole, does not fit into an int64, or has a point or an exponent and
// an absolute value of 2^53 or more.
func Int(text string) (n int64, ok bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(f) >= 1<<53 || f != math.Trunc(f) { // a float64 may have lost digits
		return 0, false
	}
	return int64(f), true
}
