package celx

import (
	"fmt"
	"reflect"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// described is a pointer to a Go value whose members expressions can read.
type described interface {
	comparable
	describe() *object
}

// objectValue is a Go value as a value of CEL. The conversion to an interface does not
// allocate, because an objectValue is one pointer.
type objectValue[P described] struct{ native P }

// Type implements CEL's Val.
func (v objectValue[P]) Type() ref.Type { return v.native.describe().kind }

// Value implements CEL's Val.
func (v objectValue[P]) Value() any { return v.native }

// ConvertToNative implements CEL's Val.
func (v objectValue[P]) ConvertToNative(target reflect.Type) (any, error) {
	return nil, fmt.Errorf("no conversion from %s to %v", v.Type().TypeName(), target)
}

// ConvertToType implements CEL's Val.
func (v objectValue[P]) ConvertToType(target ref.Type) ref.Val {
	switch target.TypeName() {
	case types.TypeType.TypeName():
		return v.native.describe().kind
	case v.Type().TypeName():
		return v
	default:
		return types.NewErr("no such overload")
	}
}

// Equal implements CEL's Val. An object is equal only to itself.
func (v objectValue[P]) Equal(other ref.Val) ref.Val {
	o, ok := other.(objectValue[P])
	return types.Bool(ok && o.native == v.native)
}

// Get implements CEL's Indexer.
func (v objectValue[P]) Get(name ref.Val) ref.Val {
	text, _ := name.(types.String)
	member := v.native.describe().find(string(text))
	if member == nil {
		return types.NewErr("no such key: %v", name)
	}
	return adapter{types.DefaultTypeAdapter}.NativeToValue(member.get(v.native))
}

// IsSet implements CEL's FieldTester.
func (v objectValue[P]) IsSet(name ref.Val) ref.Val {
	text, _ := name.(types.String)
	return types.Bool(v.native.describe().find(string(text)) != nil)
}
