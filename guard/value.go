package guard

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// appendValue appends a free-form value without the parts that the mask omits.
// Any other Go value is appended as its JSON. Nesting deeper than
// strictjson.MaxDepth is an error, so a cyclic value is one too.
func appendValue(dst []byte, value any, omit *mask, depth int) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return append(dst, 'n'), nil
	case bool:
		if value {
			return append(dst, 't'), nil
		}
		return append(dst, 'f'), nil
	case string:
		return appendText(append(dst, 's'), value), nil
	case json.Number:
		return appendNumber(append(dst, '#'), cmp.Or(string(value), "0")) // encoding/json writes an empty Number as 0
	case []any:
		if depth >= strictjson.MaxDepth {
			return nil, errTooDeep()
		}
		return appendArray(dst, value, omit, depth)
	case map[string]any:
		if depth >= strictjson.MaxDepth {
			return nil, errTooDeep()
		}
		return appendObject(dst, value, omit, depth)
	}
	normal, err := strictjson.Normalize(value)
	if err != nil {
		return nil, &valueError{err: fmt.Errorf("has no JSON form: %w", err)}
	}
	return appendValue(dst, normal, omit, depth)
}

func errTooDeep() error {
	return &valueError{err: fmt.Errorf("is nested more than %d levels deep", strictjson.MaxDepth)}
}

func appendArray(dst []byte, list []any, omit *mask, depth int) ([]byte, error) {
	dst = appendCount(append(dst, '['), len(list))
	for i, element := range list {
		var elementMask *mask
		if omit != nil && len(omit.children) > 0 {
			name := strconv.Itoa(i)
			if omit.omits(name) {
				dst = append(dst, '*')
				continue
			}
			elementMask = omit.child(name)
		}
		var err error
		if dst, err = appendValue(dst, element, elementMask, depth+1); err != nil {
			return nil, prependPointer(err, strconv.Itoa(i))
		}
	}
	return dst, nil
}

func appendObject(dst []byte, object map[string]any, omit *mask, depth int) ([]byte, error) {
	names := make([]string, 0, len(object))
	for name := range object {
		if !omit.omits(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	dst = appendCount(append(dst, '{'), len(names))
	for _, name := range names {
		var err error
		if dst, err = appendValue(appendText(dst, name), object[name], omit.child(name), depth+1); err != nil {
			return nil, prependPointer(err, name)
		}
	}
	return dst, nil
}

func appendNumber(dst []byte, text string) ([]byte, error) {
	decimal, err := jsonvalue.AppendCanonical(make([]byte, 0, 32), text)
	if err != nil {
		return nil, &valueError{err: err}
	}
	return appendText(dst, decimal), nil
}

// valueError is an error about the part of a value that a JSON pointer names.
type valueError struct {
	pointer string
	err     error
}

// maxPointer is the maximum number of bytes of the pointer in an error text.
const maxPointer = 256

func (e *valueError) Error() string {
	return jsonvalue.Clip(e.pointer, maxPointer) + ": " + e.err.Error()
}

func (e *valueError) Unwrap() error { return e.err }

// prependPointer prepends a name to the pointer of a valueError.
func prependPointer(err error, name string) error {
	if v, ok := errors.AsType[*valueError](err); ok {
		v.pointer = "/" + strictjson.Token(name) + v.pointer
	}
	return err
}
