package jsonscan

import (
	"encoding"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// read reads one JSON value into v, which is settable and zero.
type read func(s *Scanner, v reflect.Value) bool

// plans caches the result of planOf. Its size is limited by the number of types in the
// program.
var plans sync.Map // reflect.Type to read

// planOf returns the function that reads values of a type.
func planOf(t reflect.Type) read {
	if known, ok := plans.Load(t); ok {
		return known.(read) //nolint:forcetypeassert,errcheck // the map holds nothing else
	}
	plan := compile(t, strictjson.Bounds{}, nil)
	plans.Store(t, plan)
	return plan
}

var (
	textType      = reflect.TypeFor[encoding.TextUnmarshaler]()
	customTypes   = []reflect.Type{reflect.TypeFor[json.Unmarshaler](), reflect.TypeFor[jsonv2.UnmarshalerFrom]()}
	anyType       = reflect.TypeFor[any]()
	numberType    = reflect.TypeFor[json.Number]()
	anyMapType    = reflect.TypeFor[map[string]any]()
	stringMapType = reflect.TypeFor[map[string]string]()
	intType       = reflect.TypeFor[int]()
	int64Type     = reflect.TypeFor[int64]()
	float64Type   = reflect.TypeFor[float64]()
	stringsType   = reflect.TypeFor[[]string]()
)

// giveUp reads nothing and returns false, so that the caller uses package strictjson.
func giveUp(*Scanner, reflect.Value) bool { return false }

// compile returns the function that reads values of a type. It returns giveUp for types
// with UnmarshalJSON, structs without a shape, and kinds that no model of this module
// has. outer lists the structs that contain the type.
func compile(t reflect.Type, bounds strictjson.Bounds, outer []reflect.Type) read {
	for _, custom := range customTypes {
		if t.Implements(custom) || reflect.PointerTo(t).Implements(custom) {
			return giveUp
		}
	}
	bounded := bounds != strictjson.Bounds{}
	switch {
	case t == intType || t == int64Type:
		return func(s *Scanner, v reflect.Value) bool { return s.readInt(v, bounds) }
	case t == float64Type:
		return func(s *Scanner, v reflect.Value) bool { return s.readFloat(v, bounds) }
	case t.Kind() == reflect.Pointer:
		return compilePointer(t, bounds, outer)
	case bounded || t == numberType || t.Implements(textType):
		return giveUp
	case reflect.PointerTo(t).Implements(textType):
		return compileText(t)
	case t == anyType:
		return func(s *Scanner, v reflect.Value) bool { return s.Value(address[any](v)) }
	case t == anyMapType:
		return func(s *Scanner, v reflect.Value) bool { return s.Map(address[map[string]any](v)) }
	case t == stringMapType:
		return func(s *Scanner, v reflect.Value) bool { return s.Strings(address[map[string]string](v)) }
	case t == stringsType:
		return func(s *Scanner, v reflect.Value) bool { return s.Texts(address[[]string](v)) }
	}
	switch t.Kind() {
	case reflect.String:
		return compileString(t)
	case reflect.Bool:
		return readBool
	case reflect.Slice:
		return compileSlice(t, outer)
	case reflect.Map:
		return compileMap(t, outer)
	case reflect.Struct:
		return compileStruct(t, outer)
	default:
		return giveUp
	}
}

// address returns the pointer to v, which is of type T and can be addressed.
func address[T any](v reflect.Value) *T {
	p, _ := reflect.TypeAssert[*T](v.Addr())
	return p
}

func readBool(s *Scanner, v reflect.Value) bool {
	var flag bool
	ok := s.Bool(&flag)
	v.SetBool(flag)
	return ok
}

// compileText returns the function that reads a string into a type with UnmarshalText.
// If the type lists its words, a string that is one of them is stored unchanged.
func compileText(t reflect.Type) read {
	var words []string
	if t.Kind() == reflect.String {
		words = wordsOf(t)
	}
	return func(s *Scanner, v reflect.Value) bool {
		text, ok := s.quoted()
		if !ok {
			return false
		}
		if i := slices.Index(words, text); i >= 0 {
			v.SetString(words[i])
			return true
		}
		u, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v.Addr())
		return ok && u.UnmarshalText(append(s.buffer[:0], text...)) == nil
	}
}

func wordsOf(t reflect.Type) []string {
	if w, ok := reflect.TypeAssert[strictjson.Words](reflect.Zero(t)); ok {
		return w.Words()
	}
	return nil
}

func (s *Scanner) readInt(v reflect.Value, bounds strictjson.Bounds) bool {
	text, ok := s.number()
	if !ok {
		return false
	}
	n, ok := strictjson.Int(text)
	v.SetInt(n)
	return ok && v.Int() == n && !v.OverflowInt(n) && bounds.Hold(float64(n))
}

func (s *Scanner) readFloat(v reflect.Value, bounds strictjson.Bounds) bool {
	var f float64
	ok := s.Float(&f)
	v.SetFloat(f)
	return ok && bounds.Hold(f)
}

func compileString(t reflect.Type) read {
	if words := wordsOf(t); words != nil {
		return func(s *Scanner, v reflect.Value) bool {
			var word string
			ok := s.Word(&word, words)
			v.SetString(word)
			return ok
		}
	}
	return func(s *Scanner, v reflect.Value) bool {
		var text string
		ok := s.String(&text)
		v.SetString(text)
		return ok
	}
}

func compilePointer(t reflect.Type, bounds strictjson.Bounds, outer []reflect.Type) read {
	target := t.Elem()
	if target.Kind() == reflect.Pointer || target.Kind() == reflect.Interface {
		return giveUp
	}
	inner := compile(target, bounds, outer)
	return func(s *Scanner, v reflect.Value) bool {
		p := reflect.New(target)
		v.Set(p)
		return inner(s, p.Elem())
	}
}

func compileSlice(t reflect.Type, outer []reflect.Type) read {
	if t.Elem().Kind() == reflect.Uint8 {
		return giveUp // encoding/json writes a []byte as a string
	}
	inner, empty := compile(t.Elem(), strictjson.Bounds{}, outer), reflect.MakeSlice(t, 0, 0)
	return func(s *Scanner, v reflect.Value) bool {
		v.Set(empty)
		return s.List(func() bool {
			n := v.Len()
			v.Grow(1)
			v.SetLen(n + 1)
			item := v.Index(n)
			item.SetZero() // the memory may hold an earlier item
			return s.notNull(item, inner)
		})
	}
}

func compileMap(t reflect.Type, outer []reflect.Type) read {
	if t.Key() != reflect.TypeFor[string]() {
		return giveUp
	}
	inner := compile(t.Elem(), strictjson.Bounds{}, outer)
	return func(s *Scanner, v reflect.Value) bool {
		v.Set(reflect.MakeMap(t))
		value := reflect.New(t.Elem()).Elem()
		return s.Members(func(name string) bool {
			value.SetZero()
			if !s.notNull(value, inner) {
				return false
			}
			v.SetMapIndex(reflect.ValueOf(s.keep(name)), value)
			return true
		})
	}
}

// notNull reads an item of an array, or a value of an object with any names. Only a
// free-form value may be null.
func (s *Scanner) notNull(v reflect.Value, inner read) bool {
	return (s.peek() != 'n' || v.Kind() == reflect.Interface) && inner(s, v)
}

// member holds the function that reads one member of a struct.
type member struct {
	field int
	read  read
}

func compileStruct(t reflect.Type, outer []reflect.Type) read {
	if slices.Contains(outer, t) { // a recursive struct: its plan will be in the cache when it is needed
		return func(s *Scanner, v reflect.Value) bool { return planOf(t)(s, v) }
	}
	shape, ok := shapeOf(t)
	if !ok {
		return giveUp
	}
	outer = append(slices.Clip(outer), t)
	members := make([]member, 0, len(shape.names))
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "-" && field.IsExported() { // the same fields as in shapeOf
			members = append(members, member{field.Index[0], compile(field.Type, strictjson.BoundsOf(field.Tag), outer)})
		}
	}
	return func(s *Scanner, v reflect.Value) bool {
		return s.object(shape, func(i int) bool {
			m := &members[i]
			return m.read(s, v.Field(m.field))
		})
	}
}
