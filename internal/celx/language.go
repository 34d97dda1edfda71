package celx

import (
	"fmt"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// The bounds of a rule.
const (
	MaxExpression = 10_000  // characters of an expression
	MaxCost       = 100_000 // of one evaluation, in CEL's units: about one for each step, and a tenth for each character looked at
	MaxText       = 1_000   // characters of what a [Text] says; the rest is cut off

	maxNesting   = 100 // of an expression
	interruption = 100 // rounds of a comprehension between two looks at the context

	// Without a comprehension, what an expression may cost is known before it
	// runs: at most so much, with values of the assumed size, is not measured.
	unmeasured  = 100 * MaxCost
	maxCounted  = 10 * MaxCost // of such an expression where it is measured, within a budget
	assumedSize = 4 << 20      // characters or items
)

// Language is CEL with a list of variables, each of which holds free-form JSON.
// It is safe for concurrent use.
type Language struct {
	environment *cel.Env
	variables   []string
}

// New is the language with these variables, which are names. It panics when CEL
// cannot be set up with them.
func New(variables ...string) *Language {
	mixes, err := mixing()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	converts, err := converting()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	registry, err := types.NewRegistry()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{registry}),
		cel.StdLib(cel.StdLibSubset(withoutZones())),
		mixes,
		converts,
		cel.CrossTypeNumericComparisons(true),
		cel.DefaultUTCTimeZone(true),
		cel.ASTValidators(
			cel.ValidateRegexLiterals(), cel.ValidateTimestampLiterals(), cel.ValidateDurationLiterals(),
			cel.ValidateRegexProgramSizeLimit(maxRegexp),
		),
		cel.ParserExpressionSizeLimit(MaxExpression),
		cel.ParserRecursionLimit(maxNesting),
		cel.ExpressionNestingDepthLimit(2 * maxNesting),
		cel.EagerlyValidateDeclarations(true),
	}
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	environment, err := cel.NewCustomEnv(options...)
	if err != nil {
		panic(fmt.Sprintf("celx: a language with the variables %q: %v", variables, err))
	}
	return &Language{environment: environment, variables: variables}
}

// withoutZones is the standard library less what reads the time zones of the
// machine, and less the operators and conversions that are declared anew.
func withoutZones() *env.LibrarySubset {
	zoned := map[string]string{
		overloads.TimeGetFullYear:     overloads.TimestampToYearWithTz,
		overloads.TimeGetMonth:        overloads.TimestampToMonthWithTz,
		overloads.TimeGetDayOfYear:    overloads.TimestampToDayOfYearWithTz,
		overloads.TimeGetDayOfMonth:   overloads.TimestampToDayOfMonthZeroBasedWithTz,
		overloads.TimeGetDate:         overloads.TimestampToDayOfMonthOneBasedWithTz,
		overloads.TimeGetDayOfWeek:    overloads.TimestampToDayOfWeekWithTz,
		overloads.TimeGetHours:        overloads.TimestampToHoursWithTz,
		overloads.TimeGetMinutes:      overloads.TimestampToMinutesWithTz,
		overloads.TimeGetSeconds:      overloads.TimestampToSecondsWithTz,
		overloads.TimeGetMilliseconds: overloads.TimestampToMillisecondsWithTz,
	}
	subset := &env.LibrarySubset{}
	for name, id := range zoned {
		subset.AddExcludedFunctions(env.NewFunction(name, &env.Overload{ID: id}))
	}
	for _, operator := range arithmetic {
		subset.AddExcludedFunctions(env.NewFunction(operator.name))
	}
	for _, conversion := range conversions {
		subset.AddExcludedFunctions(env.NewFunction(conversion.name))
	}
	return subset
}

// Condition compiles an expression that is true or false. Errors are
// [*CompileError].
func (l *Language) Condition(text string) (*Condition, error) {
	compiled, err := l.compile(text, cel.BoolType, "true or false")
	if err != nil {
		return nil, err
	}
	return &Condition{compiled}, nil
}

// Text compiles an expression that gives a text. Errors are [*CompileError].
func (l *Language) Text(text string) (*Text, error) {
	compiled, err := l.compile(text, cel.StringType, "a string")
	if err != nil {
		return nil, err
	}
	return &Text{compiled}, nil
}

func (l *Language) compile(text string, want *cel.Type, wanted string) (program, error) {
	checked, issues := l.environment.Compile(text)
	if issues.Err() != nil {
		return program{}, compileError(issues)
	}
	if got := checked.OutputType(); !got.IsExactType(want) {
		return program{}, wrongResult(got, want, wanted)
	}
	estimate, err := l.environment.EstimateCost(checked, sizes{})
	switch {
	case err != nil:
		return program{}, problem("its cost cannot be estimated: " + err.Error())
	case estimate.Min > MaxCost:
		return program{}, problem(fmt.Sprintf("it costs at least %d, and %d is the limit", estimate.Min, MaxCost))
	}
	m := &meter{limit: maxCounted, patterns: map[string]int{}}
	quick := []cel.ProgramOption{cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(m.matching), cel.CustomDecoratorV2(exactly)}
	measured := estimate.Max > unmeasured || comprehends(checked)
	if measured {
		m.limit = MaxCost
	}
	counted, err := l.environment.Program(checked, append(slices.Clip(quick),
		cel.CostTracking(m), cel.CostLimit(uint64(m.limit)), //nolint:gosec // it is one of two constants
		cel.InterruptCheckFrequency(interruption), cel.CustomDecoratorV2(m.bounding))...)
	if err != nil {
		return program{}, problem(err.Error())
	}
	compiled := program{counted: counted, limit: m.limit, checked: checked, variables: l.variables}
	if !measured {
		if compiled.quick, err = l.environment.Program(checked, quick...); err != nil {
			return program{}, problem(err.Error())
		}
	}
	return compiled, nil
}

// comprehends reports whether an expression goes through lists or maps.
func comprehends(checked *cel.Ast) bool {
	return len(ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.ComprehensionKind))) > 0
}

// sizes says how large a value may be where nothing else is known.
type sizes struct{}

// EstimateSize is part of the estimator of CEL.
func (sizes) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if len(node.Path()) == 0 {
		return nil
	}
	return &cost.SizeEstimate{Min: 0, Max: assumedSize}
}

// EstimateCallCost is part of the estimator of CEL.
func (sizes) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate { //nolint:gocritic // as CEL asks for it
	return nil
}
