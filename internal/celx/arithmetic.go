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

// operator is one of the five that mix doubles with integers here.
type operator struct {
	name     string
	id       string // begins the names of its overloads
	trait    int
	standard functions.BinaryOp
	double   func(x, y float64) float64
	whole    func(z, x, y *big.Int) *big.Int // nil: not of whole numbers alone
	divides  bool
}

var arithmetic = []operator{
	{
		name: operators.Add, id: "add", trait: traits.AdderType,
		standard: func(l, r ref.Val) ref.Val { return l.(traits.Adder).Add(r) }, //nolint:forcetypeassert,errcheck // the trait was asked for
		double:   func(x, y float64) float64 { return x + y },
		whole:    (*big.Int).Add,
	},
	{
		name: operators.Subtract, id: "subtract", trait: traits.SubtractorType,
		standard: func(l, r ref.Val) ref.Val { return l.(traits.Subtractor).Subtract(r) }, //nolint:forcetypeassert,errcheck // the trait was asked for
		double:   func(x, y float64) float64 { return x - y },
		whole:    (*big.Int).Sub,
	},
	{
		name: operators.Multiply, id: "multiply", trait: traits.MultiplierType,
		standard: func(l, r ref.Val) ref.Val { return l.(traits.Multiplier).Multiply(r) }, //nolint:forcetypeassert,errcheck // the trait was asked for
		double:   func(x, y float64) float64 { return x * y },
		whole:    (*big.Int).Mul,
	},
	{
		name: operators.Divide, id: "divide", trait: traits.DividerType, divides: true,
		standard: func(l, r ref.Val) ref.Val { return l.(traits.Divider).Divide(r) }, //nolint:forcetypeassert,errcheck // the trait was asked for
		double:   func(x, y float64) float64 { return x / y },
	},
	{
		name: operators.Modulo, id: "modulo", trait: 0, divides: true,
		standard: standardModulo,
		double:   math.Mod,
		whole:    (*big.Int).Rem,
	},
}

// standardModulo asks for the trait itself: doubles lack it.
func standardModulo(l, r ref.Val) ref.Val {
	if modder, ok := l.(traits.Modder); ok {
		return modder.Modulo(r)
	}
	return types.MaybeNoSuchOverloadErr(l)
}

// apply is the operator on any two values. What is no mix of doubles and other
// numbers is as CEL has it.
func (o *operator) apply(l, r ref.Val) ref.Val {
	_, leftDouble := l.(types.Double)
	_, rightDouble := r.(types.Double)
	x, leftExact, leftOK := doubleOf(l)
	y, rightExact, rightOK := doubleOf(r)
	switch {
	case !leftOK || !rightOK:
		return o.standard(l, r)
	case !leftDouble && !rightDouble:
		if o.whole == nil && !(leftExact && rightExact) && !divides(l, r) {
			return types.WrapErr(errInexact)
		}
		return o.standard(l, r)
	case o.divides && y == 0:
		return types.WrapErr(errZero)
	case o.divides && o.whole != nil && (!isWhole(x) || !isWhole(y)):
		return types.WrapErr(errFraction)
	}
	if leftExact && rightExact {
		result := o.double(x, y)
		switch {
		case math.Abs(result) < maxExact, math.IsInf(result, 0), math.IsNaN(result):
			if o.whole == nil || !isWhole(x) || !isWhole(y) || !math.IsInf(result, 0) {
				return finite(result)
			}
		case o.whole == nil, !isWhole(x), !isWhole(y):
			if !o.isExact(x, y, result) {
				return types.WrapErr(errInexact)
			}
			return types.Double(result)
		}
	}
	m, leftWhole := bigOf(l)
	n, rightWhole := bigOf(r)
	if o.whole == nil || !leftWhole || !rightWhole {
		return types.WrapErr(errInexact)
	}
	return wholeOf(o.whole(new(big.Int), m, n))
}

// isExact reports whether the result of the operator on two finite doubles was
// not rounded.
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
		return false // a remainder is of whole numbers only
	}
	return l.Cmp(z) == 0
}

// divides reports whether one whole number divides by another, or nothing does.
func divides(l, r ref.Val) bool {
	m, leftWhole := bigOf(l)
	n, rightWhole := bigOf(r)
	return leftWhole && rightWhole && (n.Sign() == 0 || new(big.Int).Rem(m, n).Sign() == 0)
}

func finite(f float64) ref.Val {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return types.WrapErr(errOutOfRange)
	}
	return types.Double(f)
}

// declare is the operator with CEL's own overloads and those for the mixes.
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
			continue // CEL has that one
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

// mixing declares all five.
func mixing() (cel.EnvOption, error) {
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
