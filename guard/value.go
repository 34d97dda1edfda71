package guard

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// appendValue appends a free-form value, or the one that any other Go value is
// in JSON. It follows nothing deeper than JSON may be nested.
func appendValue(dst []byte, value any, out *mask, depth int) ([]byte, error) {
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
		return appendNumber(append(dst, '#'), cmp.Or(string(value), "0")) // as JSON writes an empty one
	case []any:
		if depth >= strictjson.MaxDepth {
			return nil, errTooDeep()
		}
		return appendArray(dst, value, out, depth)
	case map[string]any:
		if depth >= strictjson.MaxDepth {
			return nil, errTooDeep()
		}
		return appendObject(dst, value, out, depth)
	}
	normal, err := strictjson.Normalize(value)
	if err != nil {
		return nil, &valueError{err: fmt.Errorf("has no JSON form: %w", err)}
	}
	return appendValue(dst, normal, out, depth)
}

func errTooDeep() error {
	return &valueError{err: fmt.Errorf("is nested more than %d levels deep", strictjson.MaxDepth)}
}

func appendArray(dst []byte, list []any, out *mask, depth int) ([]byte, error) {
	dst = appendCount(append(dst, '['), len(list))
	for i, element := range list {
		var within *mask
		if out != nil && len(out.under) > 0 {
			name := strconv.Itoa(i)
			if out.drops(name) {
				dst = append(dst, '*')
				continue
			}
			within = out.child(name)
		}
		var err error
		if dst, err = appendValue(dst, element, within, depth+1); err != nil {
			return nil, stepInto(err, strconv.Itoa(i))
		}
	}
	return dst, nil
}

func appendObject(dst []byte, object map[string]any, out *mask, depth int) ([]byte, error) {
	names := make([]string, 0, len(object))
	for name := range object {
		if !out.drops(name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	dst = appendCount(append(dst, '{'), len(names))
	for _, name := range names {
		var err error
		if dst, err = appendValue(appendText(dst, name), object[name], out.child(name), depth+1); err != nil {
			return nil, stepInto(err, name)
		}
	}
	return dst, nil
}

func appendNumber(dst []byte, text string) ([]byte, error) {
	decimal, err := appendDecimal(make([]byte, 0, 32), text)
	if err != nil {
		return nil, &valueError{err: err}
	}
	return appendText(dst, decimal), nil
}

// valueError says where in a value something is wrong.
type valueError struct {
	pointer string
	err     error
}

// maxPointer bounds, in bytes, how much of a pointer an error's text holds.
const maxPointer = 256

func (e *valueError) Error() string {
	pointer := e.pointer
	if len(pointer) > maxPointer {
		pointer = strings.ToValidUTF8(pointer[:maxPointer], "") + "…"
	}
	return pointer + ": " + e.err.Error()
}

func (e *valueError) Unwrap() error { return e.err }

// stepInto puts a name before the place where an error happened.
func stepInto(err error, name string) error {
	if v, ok := errors.AsType[*valueError](err); ok {
		v.pointer = "/" + strictjson.Token(name) + v.pointer
	}
	return err
}
