package jsonscan

import (
	"reflect"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// readers has the reader of a T under the type *T. Only init functions write it.
var readers = map[reflect.Type]reader{}

// reader reads a whole text into v.
type reader interface {
	whole(s *Scanner, v any) bool
}

type readerOf[T any] func(s *Scanner, v *T) bool

func (read readerOf[T]) whole(s *Scanner, v any) bool {
	out, ok := v.(*T)
	if !ok || out == nil {
		return false
	}
	if read(s, out) && s.End() {
		return true
	}
	*out = *new(T)
	return false
}

// Register has [Scan], [Unmarshal] and [Read] read values of type T by read. It
// is for init functions, and panics for a type that has a reader already.
//
// So package aureus, which this one cannot import, hands the readers of its
// models to the control plane, although it exports none of them.
func Register[T any](read func(s *Scanner, v *T) bool) {
	key := reflect.TypeFor[*T]()
	if readers[key] != nil {
		panic("jsonscan: two readers for " + key.String())
	}
	readers[key] = readerOf[T](read)
}

// Read reads a value of a registered type.
func Read[T any](s *Scanner, v *T) bool {
	read, ok := readers[reflect.TypeFor[*T]()].(readerOf[T])
	return ok && read(s, v)
}

// Scan reads data by the reader for what v points to, which must be a zero
// value. Where there is no reader, or it gives up, v stays as it was.
//
// The data may be used again. Texts in v are parts of one copy of it as long as
// that is small, so that keeping one of them never keeps much more.
func Scan(data []byte, v any) bool {
	read, ok := readers[reflect.TypeOf(v)]
	if !ok {
		return false
	}
	s := New(string(data))
	return read.whole(&s, v)
}

// Unmarshal is [Scan], and [strictjson.Unmarshal] after a no. The result is that
// of the latter: a reader takes nothing else, and takes it with the same value.
// v must point to a zero value.
func Unmarshal(data []byte, v any) error {
	if Scan(data, v) {
		return nil
	}
	return strictjson.Unmarshal(data, v)
}
