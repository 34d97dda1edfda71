package celx

import (
	"cel.dev/cel-go/cel"
)

// builder makes the programs of one expression. Each has a meter of its own, because
// making a program writes to the meter, and evaluations read it.
type builder struct {
	language *Language
	checked  *cel.Ast
	limit    int // of the cost
}

// uncounted returns a program that does not count its cost.
func (b *builder) uncounted() (cel.Program, error) {
	return b.build(append(b.options(b.meter()), cel.CustomDecoratorV2(fastComparisons)))
}

// counted returns a program that counts its cost.
func (b *builder) counted() (cel.Program, error) {
	return b.build(b.countingOptions())
}

// traced returns a program that counts its cost and records the values of all
// sub-expressions.
func (b *builder) traced() (cel.Program, error) {
	return b.build(append(b.countingOptions(), cel.EvalOptions(cel.OptTrackState)))
}

func (b *builder) build(options []cel.ProgramOption) (cel.Program, error) {
	built, err := b.language.environment.Program(b.checked, options...)
	if err != nil {
		return nil, &EvalError{Message: err.Error()}
	}
	return built, nil
}

func (b *builder) meter() *meter { return &meter{limit: b.limit, patterns: map[string]int{}} }

// options returns the options of every program.
func (b *builder) options(m *meter) []cel.ProgramOption {
	return append([]cel.ProgramOption{cel.EvalOptions(cel.OptOptimize), cel.CustomDecoratorV2(m.limitMatches)}, b.language.decorators...)
}

func (b *builder) countingOptions() []cel.ProgramOption {
	m := b.meter()
	return append(b.options(m), cel.CustomDecoratorV2(exactComparisons),
		cel.CostTracking(m), cel.CostLimit(uint64(m.limit)), //nolint:gosec // it is one of two constants
		cel.InterruptCheckFrequency(interruptInterval), cel.CustomDecoratorV2(m.limitComparisons))
}
