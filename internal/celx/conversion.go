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

// conversion is a conversion function that replaces that of standard CEL.
type conversion struct {
	name    string
	result  *types.Type
	convert func(ref.Val) ref.Val
}

var conversions = []conversion{
	{overloads.TypeConvertString, types.StringType, toText},
	{overloads.TypeConvertDouble, types.DoubleType, toDouble},
}

// toText implements string(): numbers in plain decimal digits, other values as in
// standard CEL.
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

// doubleText formats a finite double without an exponent: all digits of a whole
// number, and for a fraction the fewest digits that parse to the same double.
// Negative zero is 0.
func doubleText(f float64) string {
	switch {
	case f == 0:
		return "0" // also for negative zero
	case isWhole(f):
		return strconv.FormatFloat(f, 'f', 0, 64)
	default:
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
}

// toDouble implements double(). NaN and the infinities are errors: every
// comparison with NaN would be false, and its negation would be true.
func toDouble(v ref.Val) ref.Val {
	converted := v.ConvertToType(types.DoubleType)
	if double, ok := converted.(types.Double); ok {
		return finiteDouble(float64(double))
	}
	return converted
}

// declare returns the function with the overloads of standard CEL, all of which
// call convert.
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

// conversionDeclarations declares the conversions.
func conversionDeclarations() (cel.EnvOption, error) {
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
