package celx

import (
	"math"
	"strconv"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// conversion is a conversion function of CEL that behaves differently here.
type conversion struct {
	name    string
	result  *types.Type
	convert func(ref.Val) ref.Val
}

var conversions = []conversion{
	{overloads.TypeConvertString, types.StringType, toText},
	{overloads.TypeConvertDouble, types.DoubleType, toDouble},
}

// toText is string(): numbers in plain decimal digits, everything else as CEL
// has it.
func toText(v ref.Val) ref.Val {
	double, ok := v.(types.Double)
	if !ok {
		return v.ConvertToType(types.StringType)
	}
	if math.IsInf(float64(double), 0) || math.IsNaN(float64(double)) {
		return types.WrapErr(errOutOfRange)
	}
	return types.String(doubleText(float64(double)))
}

// doubleText writes a finite double without an exponent: every digit of a whole
// number, and of a fraction the fewest digits that read back as the same double.
// There is one zero.
func doubleText(f float64) string {
	switch {
	case f == 0:
		return "0" // the negative zero too
	case isWhole(f):
		return strconv.FormatFloat(f, 'f', 0, 64)
	default:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
}

// toDouble is double(): what is infinite or no number has no order, so that
// every comparison with it is false, and a negated one is true. It is an error.
func toDouble(v ref.Val) ref.Val {
	converted := v.ConvertToType(types.DoubleType)
	if double, ok := converted.(types.Double); ok {
		return finite(float64(double))
	}
	return converted
}

// declare is the function with CEL's own overloads, and this conversion behind
// all of them.
func (c *conversion) declare() (*decls.FunctionDecl, error) {
	options := []decls.FunctionOpt{decls.SingletonUnaryBinding(c.convert)}
	for _, function := range stdlib.Functions() {
		if function.Name() != c.name {
			continue
		}
		for _, overload := range function.OverloadDecls() {
			options = append(options, decls.Overload(overload.ID(), overload.ArgTypes(), c.result))
		}
	}
	return decls.NewFunction(c.name, options...)
}

// converting declares the conversions.
func converting() (cel.EnvOption, error) {
	declared := make([]*decls.FunctionDecl, 0, len(conversions))
	for i := range conversions {
		function, err := conversions[i].declare()
		if err != nil {
			return nil, err
		}
		declared = append(declared, function)
	}
	return cel.FunctionDecls(declared...), nil
}
