package rpc

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// transferType is the type of a message with a field of each kind that matters here.
func transferType(t *testing.T) protoreflect.MessageDescriptor {
	t.Helper()
	field := func(number int32, name string, kind descriptorpb.FieldDescriptorProto_Type) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{Name: &name, Number: &number, Type: &kind, Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
	}
	inner := field(5, "inner", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	inner.TypeName = new(".test.Transfer")
	list := field(6, "many", descriptorpb.FieldDescriptorProto_TYPE_MESSAGE)
	list.TypeName, list.Label = new(".test.Transfer"), descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	enum := field(7, "kind", descriptorpb.FieldDescriptorProto_TYPE_ENUM)
	enum.TypeName = new(".test.Kind")
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: new("test.proto"), Package: new("test"), Syntax: new("proto3"),
		EnumType: []*descriptorpb.EnumDescriptorProto{{
			Name:  new("Kind"),
			Value: []*descriptorpb.EnumValueDescriptorProto{{Name: new("NO_KIND"), Number: new(int32(0))}},
		}},
		MessageType: []*descriptorpb.DescriptorProto{{Name: new("Transfer"), Field: []*descriptorpb.FieldDescriptorProto{
			field(1, "amount_cents", descriptorpb.FieldDescriptorProto_TYPE_INT64),
			field(2, "to", descriptorpb.FieldDescriptorProto_TYPE_STRING),
			field(3, "rate", descriptorpb.FieldDescriptorProto_TYPE_DOUBLE),
			field(4, "urgent", descriptorpb.FieldDescriptorProto_TYPE_BOOL),
			inner, list, enum,
		}}},
	}, nil)
	require.NoError(t, err)
	return file.Messages().ByName("Transfer")
}

func TestMessageJSON_EachMessage_HasOneForm(t *testing.T) {
	kind := transferType(t)
	field := func(name string) protoreflect.FieldDescriptor { return kind.Fields().ByName(protoreflect.Name(name)) }
	full := dynamicpb.NewMessage(kind)
	full.Set(field("amount_cents"), protoreflect.ValueOfInt64(9007199254740993))
	full.Set(field("to"), protoreflect.ValueOfString("acme"))
	nested := dynamicpb.NewMessage(kind)
	nested.Set(field("rate"), protoreflect.ValueOfFloat64(1.5))
	full.Set(field("inner"), protoreflect.ValueOfMessage(nested))
	object, err := structpb.NewStruct(map[string]any{"a": 1})
	require.NoError(t, err)
	for name, row := range map[string]struct {
		message proto.Message
		want    string
	}{
		"nothing is set":        {dynamicpb.NewMessage(kind), `{"amountCents":"0","to":"","rate":0,"urgent":false,"many":[],"kind":"NO_KIND"}`},
		"a message with values": {full, `{"amountCents":"9007199254740993","to":"acme","inner":{"rate":1.5},"rate":0,"urgent":false,"many":[],"kind":"NO_KIND"}`},
		"an empty one":          {&emptypb.Empty{}, `{}`},
		"an object":             {object, `{"a":1}`},
		"a form of its own":     {durationpb.New(1e9), `"1s"`},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := messageJSON(row.message, 1000)
			require.NoError(t, err)
			require.Equal(t, row.want, string(text))
		})
	}
}

// Fields that this program does not know are part of the form, wherever they are.
func TestMessageJSON_UnknownFields_AreInIt(t *testing.T) {
	kind := transferType(t)
	unknown := func() *dynamicpb.Message {
		m := dynamicpb.NewMessage(kind)
		m.SetUnknown(protoreflect.RawFields{0xf8, 0x07, 0x01}) // field 127
		return m
	}
	inner := dynamicpb.NewMessage(kind)
	inner.Set(kind.Fields().ByName("inner"), protoreflect.ValueOfMessage(unknown()))
	listed := dynamicpb.NewMessage(kind)
	listed.Mutable(kind.Fields().ByName("many")).List().Append(protoreflect.ValueOfMessage(unknown()))
	empty := &emptypb.Empty{}
	empty.ProtoReflect().SetUnknown(protoreflect.RawFields{0xf8, 0x07, 0x01})
	wrapped, err := anypb.New(empty)
	require.NoError(t, err)
	for name, m := range map[string]proto.Message{"itself": unknown(), "in a field": inner, "in a list": listed, "in an Any": wrapped, "in an empty message": empty} {
		t.Run(name, func(t *testing.T) {
			text, err := messageJSON(m, 1000)
			require.NoError(t, err)
			raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(string(text), `"@unknown":"`+base64.StdEncoding.EncodeToString(raw)+`"}`), "%s", text)
		})
	}
}

func TestMessageJSON_TooLongOrUnreadable_IsAnError(t *testing.T) {
	text, err := structpb.NewStruct(map[string]any{"a": strings.Repeat("x", 200)})
	require.NoError(t, err)
	var large *http.MaxBytesError
	_, err = messageJSON(text, 100)
	require.ErrorAs(t, err, &large)
	require.EqualValues(t, 100, large.Limit)
	quotes, err := structpb.NewStruct(map[string]any{"a": strings.Repeat("\x01", 90)}) // six characters each in JSON
	require.NoError(t, err)
	_, err = messageJSON(quotes, 150)
	require.ErrorAs(t, err, &large)
	_, err = messageJSON(&anypb.Any{TypeUrl: "type.googleapis.com/nobody.Knows", Value: []byte{1}}, 1000)
	require.Error(t, err)
}
