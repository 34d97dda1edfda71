package jsonscan

import (
	"reflect"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Scan reads data into the zero value that v points to. It returns false, and does
// not change v, if [strictjson.Unmarshal] would not accept the text, or if the type
// contains a type that only strictjson can read.
//
// The caller may reuse data. Strings in v are parts of one copy of a short text; the
// strings of a long text are copied separately, so that keeping one of them does not
// keep the whole text.
func Scan(data []byte, v any) bool {
	out := reflect.ValueOf(v)
	if out.Kind() != reflect.Pointer || out.IsNil() {
		return false
	}
	out = out.Elem()
	s := New(string(data))
	if planOf(out.Type())(&s, out) && s.End() {
		return true
	}
	out.SetZero()
	return false
}

// Unmarshal reads data into the zero value that v points to: it tries [Scan], then
// [strictjson.Unmarshal]. Both accept the same texts with the same values, so the
// result and the error are those of strictjson.
func Unmarshal(data []byte, v any) error {
	if Scan(data, v) {
		return nil
	}
	return strictjson.Unmarshal(data, v)
}
