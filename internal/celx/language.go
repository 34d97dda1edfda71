package celx

import (
	"fmt"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/env"
	"cel.dev/cel-go/common/overloads"
	"cel.dev/cel-go/common/types"
)

// The limits of a rule.
const (
	MaxExpression = 10_000  // characters of an expression
	MaxCost       = 100_000 // of one evaluation, in CEL's units: about 1 for each step and 0.1 for each character read
	MaxText       = 1_000   // characters of the result of a [Text]; the rest is cut off

	maxNesting        = 100 // levels of an expression
	interruptInterval = 100 // iterations of a comprehension between two checks of the context

	// The cost of an expression without a comprehension can be estimated before it
	// runs. If the estimate for values of assumedSize is at most maxUncounted, the
	// cost is not counted.
	maxUncounted = 100 * MaxCost
	maxCounted   = 10 * MaxCost // the limit for such an expression within a budget
	assumedSize  = 4 << 20      // characters or items
)

// Language is CEL with a list of variables, each of which holds free-form JSON.
// It is safe for concurrent use.
type Language struct {
	environment *cel.Env
	variables   []string
	decorators  []cel.ProgramOption // for the functions that the language has in addition to CEL's
	members     members             // of the variables that are objects with fixed members

	// direct says that the variables are those of [Facts], so that some expressions are
	// evaluated directly.
	direct bool
}

// New returns a language with the named variables. It panics if a name is not
// valid in CEL.
func New(variables ...string) *Language {
	options := make([]cel.EnvOption, 0, len(variables))
	for _, name := range variables {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	return &Language{environment: newEnvironment(nil, options...), variables: variables}
}

// newEnvironment returns CEL with the numbers and limits of this package, with types in
// addition to those of CEL, if there are any. It panics if an option is not valid.
func newEnvironment(added members, more ...cel.EnvOption) *cel.Env {
	mixes, err := arithmeticDeclarations()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	converts, err := conversionDeclarations()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	registry, err := types.NewRegistry()
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	options := []cel.EnvOption{
		cel.CustomTypeAdapter(adapter{registry}),
		cel.StdLib(cel.StdLibSubset(standardLibrary())),
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
	if added != nil {
		options = append(options, cel.CustomTypeProvider(provider{registry, added}))
	}
	environment, err := cel.NewCustomEnv(append(options, more...)...)
	if err != nil {
		panic(fmt.Sprintf("celx: %v", err))
	}
	return environment
}

// standardLibrary returns CEL's standard library without the functions that read
// the machine's time zone database, and without the operators and conversions that
// this package declares.
func standardLibrary() *env.LibrarySubset {
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

// Condition compiles an expression whose result is true or false. Errors are
// [*CompileError].
func (l *Language) Condition(text string) (*Condition, error) {
	compiled, err := l.compile(text, func(got *cel.Type) error { return wantExactly(got, cel.BoolType, "true or false") })
	if err != nil {
		return nil, err
	}
	return &Condition{compiled}, nil
}

// Text compiles an expression whose result is a string. Errors are
// [*CompileError].
func (l *Language) Text(text string) (*Text, error) {
	compiled, err := l.compile(text, func(got *cel.Type) error { return wantExactly(got, cel.StringType, "a string") })
	if err != nil {
		return nil, err
	}
	return &Text{compiled}, nil
}

// compile compiles an expression. acceptType returns an error for a type that its
// result may not have.
func (l *Language) compile(text string, acceptType func(*cel.Type) error) (program, error) {
	parsed, issues := l.environment.Parse(text)
	if issues.Err() != nil {
		return program{}, compileError(issues, nil)
	}
	checked, issues := l.environment.Check(parsed)
	if issues.Err() != nil {
		return program{}, compileError(issues, l.members.adviceFor(parsed))
	}
	if err := acceptType(checked.OutputType()); err != nil {
		return program{}, err
	}
	estimate, err := l.environment.EstimateCost(checked, sizeEstimator{})
	switch {
	case err != nil:
		return program{}, problem("the cost cannot be estimated: " + err.Error())
	case estimate.Min > MaxCost:
		return program{}, problem(fmt.Sprintf("the expression costs at least %d, and the limit is %d", estimate.Min, MaxCost))
	}
	b := builder{language: l, checked: checked, limit: maxCounted}
	measured := estimate.Max > maxUncounted || hasComprehension(checked)
	if measured {
		b.limit = MaxCost
	}
	compiled := program{
		limit: b.limit, checked: checked, variables: l.variables, reads: readsOf(checked, l.variables),
		counted: sync.OnceValues(b.counted), traced: sync.OnceValues(b.traced),
	}
	if l.direct {
		compiled.direct = directly(checked)
	}
	if !measured {
		compiled.uncounted = sync.OnceValues(b.uncounted)
	}
	if err := compiled.prepare(l.direct); err != nil {
		return program{}, problem(err.Error())
	}
	return compiled, nil
}

// hasComprehension reports whether the expression iterates over a list or a map.
func hasComprehension(checked *cel.Ast) bool {
	return len(ast.MatchDescendants(ast.NavigateAST(checked.NativeRep()), ast.KindMatcher(ast.ComprehensionKind))) > 0
}

// sizeEstimator assumes that every variable, and every value inside one, has at
// most assumedSize characters or items.
type sizeEstimator struct{}

// EstimateSize implements CEL's cost estimator.
func (sizeEstimator) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if len(node.Path()) == 0 {
		return nil
	}
	return &cost.SizeEstimate{Min: 0, Max: assumedSize}
}

// EstimateCallCost implements CEL's cost estimator; nil means CEL's own estimate.
func (sizeEstimator) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate { //nolint:gocritic // CEL's interface has this signature
	return nil
}
