package celx

import (
	"math"
	"math/big"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/functions"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/stdlib"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// operator is an arithmetic operator that accepts one double and one integer, which
// standard CEL does not.
type operator struct {
	name       string
	id         string // the prefix of the ids of its overloads
	trait      int
	native     functions.BinaryOp
	double     func(x, y float64) float64
	whole      func(z, x, y *big.Int) *big.Int // on integers; nil if its result need not be an integer
	isDivision bool
}

var arithmetic = []operator{
	{
		name: operators.Add, id: "add", trait: traits.AdderType,
		native: func(l, r ref.Val) ref.Val { return l.(traits.Adder).Add(r) }, //nolint:forcetypeassert,errcheck // CEL calls it only for values with this trait
		double: func(x, y float64) float64 { return x + y },
		whole:  (*big.Int).Add,
	},
	{
		name: operators.Subtract, id: "subtract", trait: traits.SubtractorType,
		native: func(l, r ref.Val) ref.Val { return l.(traits.Subtractor).Subtract(r) }, //nolint:forcetypeassert,errcheck // CEL calls it only for values with this trait
		double: func(x, y float64) float64 { return x - y },
		whole:  (*big.Int).Sub,
	},
	{
		name: operators.Multiply, id: "multiply", trait: traits.MultiplierType,
		native: func(l, r ref.Val) ref.Val { return l.(traits.Multiplier).Multiply(r) }, //nolint:forcetypeassert,errcheck // CEL calls it only for values with this trait
		double: func(x, y float64) float64 { return x * y },
		whole:  (*big.Int).Mul,
	},
	{
		name: operators.Divide, id: "divide", trait: traits.DividerType, isDivision: true,
		native: func(l, r ref.Val) ref.Val { return l.(traits.Divider).Divide(r) }, //nolint:forcetypeassert,errcheck // CEL calls it only for values with this trait
		double: func(x, y float64) float64 { return x / y },
	},
	{
		name: operators.Modulo, id: "modulo", trait: 0, isDivision: true,
		native: nativeModulo,
		double: math.Mod,
		whole:  (*big.Int).Rem,
	},
}

// nativeModulo checks for the trait itself, because doubles do not have it.
func nativeModulo(l, r ref.Val) ref.Val {
	if modder, ok := l.(traits.Modder); ok {
		return modder.Modulo(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}

// apply applies the operator to two values of any type. Values other than numbers,
// and two integers, give the result of standard CEL.
func (o *operator) apply(l, r ref.Val) ref.Val {
	_, leftDouble := l.(types.Double)
	_, rightDouble := r.(types.Double)
	x, leftExact, leftOK := doubleOf(l)
	y, rightExact, rightOK := doubleOf(r)
	switch {
	case !leftOK || !rightOK:
		return o.native(l, r)
	case !leftDouble && !rightDouble:
		if o.whole == nil && !(leftExact && rightExact) && !dividesEvenly(l, r) {
			return types.WrapErr(errRounded)
		}
		return o.native(l, r)
	case o.isDivision && y == 0:
		return types.WrapErr(errDivisionByZero)
	case o.isDivision && o.whole != nil && (!isWhole(x) || !isWhole(y)):
		return types.WrapErr(errFraction)
	}
	if leftExact && rightExact {
		result := o.double(x, y)
		switch {
		case math.Abs(result) < maxExact, math.IsInf(result, 0), math.IsNaN(result):
			if o.whole == nil || !isWhole(x) || !isWhole(y) || !math.IsInf(result, 0) {
				return finiteDouble(result)
			}
		case o.whole == nil, !isWhole(x), !isWhole(y):
			if !o.isExact(x, y, result) {
				return types.WrapErr(errRounded)
			}
			return types.Double(result)
		}
	}
	m, leftWhole := bigInt(l)
	n, rightWhole := bigInt(r)
	if o.whole == nil || !leftWhole || !rightWhole {
		return types.WrapErr(errRounded)
	}
	return integerValue(o.whole(new(big.Int), m, n))
}

// isExact reports whether the result for two finite doubles is exact, not rounded.
func (o *operator) isExact(x, y, result float64) bool {
	l, r, z := new(big.Rat).SetFloat64(x), new(big.Rat).SetFloat64(y), new(big.Rat).SetFloat64(result)
	switch o.name {
	case operators.Add:
		l.Add(l, r)
	case operators.Subtract:
		l.Sub(l, r)
	case operators.Multiply:
		l.Mul(l, r)
	case operators.Divide:
		l.Quo(l, r)
	default:
		return false // not called for a remainder, which needs integers
	}
	return l.Cmp(z) == 0
}

// dividesEvenly reports whether both values are integers and the division has no
// remainder. It is true for a division by zero, which fails later.
func dividesEvenly(l, r ref.Val) bool {
	m, leftWhole := bigInt(l)
	n, rightWhole := bigInt(r)
	return leftWhole && rightWhole && (n.Sign() == 0 || new(big.Int).Rem(m, n).Sign() == 0)
}

func finiteDouble(f float64) ref.Val {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return types.WrapErr(errOutOfRange)
	}
	return types.Double(f)
}

// declare returns the operator with the overloads of standard CEL and those for a
// double with an integer.
func (o *operator) declare() (*decls.FunctionDecl, error) {
	options := []decls.FunctionOpt{}
	for _, function := range stdlib.Functions() {
		if function.Name() != o.name {
			continue
		}
		for _, overload := range function.OverloadDecls() {
			options = append(options, decls.Overload(overload.ID(), overload.ArgTypes(), overload.ResultType()))
		}
	}
	for _, mix := range [][2]*types.Type{
		{types.DoubleType, types.IntType},
		{types.IntType, types.DoubleType},
		{types.DoubleType, types.UintType},
		{types.UintType, types.DoubleType},
		{types.DoubleType, types.DoubleType},
	} {
		if mix[0] == mix[1] && o.name != operators.Modulo {
			continue // declared by standard CEL
		}
		id := o.id + "_" + mix[0].TypeName() + "_" + mix[1].TypeName()
		options = append(options, decls.Overload(id, slices.Clone(mix[:]), types.DoubleType))
	}
	binding := decls.SingletonBinaryBinding(o.apply)
	if o.trait != 0 {
		binding = decls.SingletonBinaryBinding(o.apply, o.trait)
	}
	return decls.NewFunction(o.name, append(options, binding)...)
}

// arithmeticDeclarations declares all operators of arithmetic.
func arithmeticDeclarations() (cel.EnvOption, error) {
	declared := make([]*decls.FunctionDecl, 0, len(arithmetic))
	for i := range arithmetic {
		function, err := arithmetic[i].declare()
		if err != nil {
			return nil, err
		}
		declared = append(declared, function)
	}
	return cel.FunctionDecls(declared...), nil
}
