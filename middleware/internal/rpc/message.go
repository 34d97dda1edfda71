package rpc

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// unknownMember is the member of the JSON form with the whole message in base64, if the
// message has fields that this program does not know. So an approval binds them too. No
// field can have that name.
const unknownMember = "@unknown"

var errOpaque = errors.New("the message is not a protocol buffer of a known type")

// Message returns a message that a framework has read, or nil if it is not a protocol buffer.
func Message(m any) proto.Message {
	switch m := m.(type) {
	case proto.Message:
		return m
	case protoadapt.MessageV1: // of generated code from before 2020
		return protoadapt.MessageV2Of(m)
	}
	return nil
}

// NewMessage returns a new message of a type, or nil if the program has not registered it.
func NewMessage(name protoreflect.FullName) proto.Message {
	kind, err := protoregistry.GlobalTypes.FindMessageByName(name)
	if err != nil {
		return nil
	}
	return kind.New().Interface()
}

// Deliver makes the handler's message that which was decided on. It reports false if the
// handler takes something that is not a protocol buffer.
func Deliver(to any, from proto.Message) (ok bool, err error) {
	message := Message(to)
	if message == nil {
		return false, nil
	}
	proto.Reset(message)
	if message.ProtoReflect().Descriptor() == from.ProtoReflect().Descriptor() {
		proto.Merge(message, from)
		return true, nil
	}
	text, err := proto.Marshal(from)
	if err == nil {
		err = proto.Unmarshal(text, message)
	}
	return true, err
}

// make makes the JSON form.
func (b *messageBody) make() {
	if b.call.Message == nil {
		b.err = errOpaque
		b.call.unreadable = b.err
		return
	}
	text, err := messageJSON(b.call.Message, b.limit)
	switch {
	case err != nil:
		b.err = err
		if _, large := err.(*http.MaxBytesError); !large { //nolint:errorlint // it is made below
			b.call.unreadable = err
		}
	default:
		b.text, b.err = text, io.EOF
	}
}

// messageJSON returns the JSON form of a message: that of protojson, without white space, in
// the order of the fields. The fields of the message itself that have no presence are in it
// with their default if they are not set, so that a policy can compare them; those of
// messages inside are not. The error is a [*http.MaxBytesError] if the message or its JSON
// form is longer than the limit.
func messageJSON(m proto.Message, limit int64) ([]byte, error) {
	if int64(proto.Size(m)) > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	text, err := protojson.Marshal(m)
	if err != nil {
		return nil, err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil { // protojson adds spaces at random
		return nil, err
	}
	text = appendDefaults(compact.Bytes(), m.ProtoReflect())
	if hasUnknown(m.ProtoReflect()) {
		raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
		if err != nil {
			return nil, err
		}
		text = appendMember(text, unknownMember, strconv.Quote(base64.StdEncoding.EncodeToString(raw)))
	}
	if int64(len(text)) > limit {
		return nil, &http.MaxBytesError{Limit: limit}
	}
	return text, nil
}

// appendDefaults appends the fields without presence that are not set.
func appendDefaults(text []byte, m protoreflect.Message) []byte {
	if m.Descriptor().ParentFile().Package() == "google.protobuf" { // these have JSON forms of their own
		return text
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		if field := fields.Get(i); !field.HasPresence() && !m.Has(field) {
			text = appendMember(text, field.JSONName(), defaultOf(field))
		}
	}
	return text
}

// defaultOf returns the JSON form of a field that is not set, as protojson writes it.
func defaultOf(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsList():
		return "[]"
	case field.IsMap():
		return "{}"
	}
	switch field.Kind() {
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Uint64Kind, protoreflect.Sfixed64Kind, protoreflect.Fixed64Kind:
		return `"0"`
	case protoreflect.EnumKind:
		if zero := field.Enum().Values().ByNumber(0); field.Enum().FullName() == "google.protobuf.NullValue" {
			return "null"
		} else if zero != nil {
			return strconv.Quote(string(zero.Name()))
		}
		return "0"
	default: // a number; messages have presence
		return "0"
	}
}

// appendMember appends a member to the text of an object.
func appendMember(object []byte, name, value string) []byte {
	if len(object) < 2 || object[len(object)-1] != '}' {
		return object // the guard refuses what is not an object
	}
	object = object[:len(object)-1]
	if len(object) > 1 {
		object = append(object, ',')
	}
	object = append(strconv.AppendQuote(object, name), ':')
	return append(append(object, value...), '}')
}

// hasUnknown reports whether the message, or one inside it, has fields that this program does
// not know.
func hasUnknown(m protoreflect.Message) (found bool) {
	if len(m.GetUnknown()) > 0 {
		return true
	}
	if wrapped, ok := m.Interface().(*anypb.Any); ok {
		inner, err := wrapped.UnmarshalNew()
		return err == nil && hasUnknown(inner.ProtoReflect())
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, item protoreflect.Value) bool {
				found = hasUnknown(item.Message())
				return !found
			})
		case field.IsList() && field.Message() != nil:
			for i := 0; i < value.List().Len() && !found; i++ {
				found = hasUnknown(value.List().Get(i).Message())
			}
		case field.Message() != nil && !field.IsMap():
			found = hasUnknown(value.Message())
		}
		return !found
	})
	return found
}
