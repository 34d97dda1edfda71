package crvgate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Gate judges changes of one type with a list of validators. All of them run, in
// order, and every result is kept.
//
// A Gate is immutable and safe for concurrent use: the methods that configure it
// return a changed copy. The zero Gate, a nil Gate and a Gate without validators refuse
// every change, whatever else is set.
type Gate[T any] struct {
	settings

	validators []Validator[T]
	rules      []Validator[any] // see the change as free-form JSON
	describe   func(ctx context.Context, data T) (id string, metadata map[string]any)
	previous   func(ctx context.Context, data T) (previous T, found bool, err error)
}

// settings are the parts of a gate that do not depend on the type of the change.
type settings struct {
	name           string
	nonBlocking    bool
	required       float64 // 0 means no threshold
	recovery       map[string]any
	observers      []func(ctx context.Context, report Report)
	detectMutation bool
}

// New returns a gate. The name appears in results, errors and telemetry. The type of the
// change is inferred from the validators.
func New[T any](name string, validators ...Validator[T]) *Gate[T] {
	return &Gate[T]{settings: settings{name: name}, validators: slices.Clone(validators)}
}

// Name returns the name that was given to [New].
func (g *Gate[T]) Name() string { return g.settingsOf().name }

// copy returns a copy for modification. The copy of a nil gate is an empty gate.
func (g *Gate[T]) copy() *Gate[T] {
	if g == nil {
		return &Gate[T]{}
	}
	c := *g
	return &c
}

// With adds validators that receive the change as free-form JSON, such as those of packages
// validators and registry: Data and Previous are nil, bool, string, [json.Number],
// []any or map[string]any. These validators run after the others. Data and Previous are
// converted once for all of them, so a validator that modifies the converted form does
// not affect the change itself. If the change has no JSON form, each of these validators
// has a result with CONFLICT.
func (g *Gate[T]) With(rules ...Validator[any]) *Gate[T] {
	c := g.copy()
	c.rules = append(slices.Clip(c.rules), rules...)
	return c
}

// NonBlocking makes failures warnings: the result says what failed, and the change is
// admitted. A change that could not be judged is still refused: if the gate has no
// validators, the context has ended, or the previous state could not be loaded.
func (g *Gate[T]) NonBlocking() *Gate[T] {
	c := g.copy()
	c.nonBlocking = true
	return c
}

// RequireConfidence sets the minimum confidence, from 0 to 1, of every valid result. 0
// means no minimum. If the minimum is above 0, a result without a confidence, or with a
// confidence that is not a number from 0 to 1, does not reach it. If that is the only
// fault, the code of the gate is LOW_CONFIDENCE. RequireConfidence panics if the
// threshold is not a number from 0 to 1.
func (g *Gate[T]) RequireConfidence(threshold float64) *Gate[T] {
	if !(threshold >= 0 && threshold <= 1) {
		panic(fmt.Sprintf("crvgate: RequireConfidence(%v): a confidence is a number from 0 to 1", threshold))
	}
	c := g.copy()
	c.required = threshold
	return c
}

// Recover sets the recovery strategy in the result of a failure or a warning. The result
// of a pass has none. nil removes the strategy. The gate only returns the strategy; the
// caller carries it out.
func (g *Gate[T]) Recover(strategy aureus.RecoveryStrategy) *Gate[T] {
	c := g.copy()
	c.recovery = nil
	if strategy != nil {
		c.recovery = maps.Clone(strategy.Strategy())
	}
	return c
}

// Observe adds a function that is called once for every judgement, before [Gate.Check]
// or [Gate.Validate] returns, so it should be quick. Its context has the values of the
// caller's context and is never cancelled. It cannot change the judgement, and a panic in
// it is discarded, so that recording cannot make a change fail. Observe panics if the
// function is nil.
func (g *Gate[T]) Observe(observer func(ctx context.Context, report Report)) *Gate[T] {
	if observer == nil {
		panic("crvgate: Observe: the function is nil")
	}
	c := g.copy()
	c.observers = append(slices.Clip(c.observers), observer)
	return c
}

// Previous sets the function that loads the state before a change, for changes without
// HasPrevious. Changes from [Wrap] never have it. If the function returns an error or
// panics, the change cannot be judged: it is refused with TOOL_ERROR, and no validator
// runs. Previous panics if the function is nil.
func (g *Gate[T]) Previous(load func(ctx context.Context, data T) (previous T, found bool, err error)) *Gate[T] {
	if load == nil {
		panic("crvgate: Previous: the function is nil")
	}
	c := g.copy()
	c.previous = load
	return c
}

// Describe sets the function that gives a change its id and metadata, for changes that
// have neither. Changes from [Wrap] never have them. If the function panics, the change
// is refused as after a panic in the function of [Gate.Previous]. Describe panics if the
// function is nil.
func (g *Gate[T]) Describe(describe func(ctx context.Context, data T) (id string, metadata map[string]any)) *Gate[T] {
	if describe == nil {
		panic("crvgate: Describe: the function is nil")
	}
	c := g.copy()
	c.describe = describe
	return c
}

// DetectMutation is for tests. It compares the JSON form of the change before and after
// each validator, and adds a result with TOOL_ERROR after a validator that modified what
// the change points to. It does not find modifications of values that are not part of
// the JSON form, such as unexported fields. It converts the change to JSON twice for each
// validator.
func (g *Gate[T]) DetectMutation() *Gate[T] {
	c := g.copy()
	c.detectMutation = true
	return c
}

// Validate judges the change and returns the result of the gate, with the result of each
// validator in their order. The change may be made only if BlockedCommit is false.
// [Gate.Check] returns the same decision as an error.
func (g *Gate[T]) Validate(ctx context.Context, change Change[T]) aureus.GateResult {
	var buffer [inlineResults]aureus.ValidationResult
	set, started := g.settingsOf(), time.Now()
	judged, _ := g.judge(ctx, &change, buffer[:0])
	result := set.conclude(judged)
	set.notify(ctx, change.ID, change.Metadata, result, started)
	return result
}

// Check judges the change and returns nil only if it may be made: the gate passed, or
// it is [Gate.NonBlocking] and could judge the change. Every other result is a
// [*Blocked]. A pass does not allocate if the gate has no observer and at most four
// validators.
func (g *Gate[T]) Check(ctx context.Context, change Change[T]) error {
	var buffer [inlineResults]aureus.ValidationResult
	set, started := g.settingsOf(), time.Time{}
	observed := len(set.observers) > 0
	if observed {
		started = time.Now()
	}
	judged, cause := g.judge(ctx, &change, buffer[:0])
	admitted := judged.admitted(set)
	if admitted && !observed {
		return nil
	}
	result := set.conclude(judged)
	set.notify(ctx, change.ID, change.Metadata, result, started)
	if admitted {
		return nil
	}
	return &Blocked{Result: result, cause: cause}
}

// inlineResults is how many results fit on the stack, so that a pass does not allocate.
const inlineResults = 4

var noSettings settings // the settings of a nil gate

func (g *Gate[T]) settingsOf() *settings {
	if g == nil {
		return &noSettings
	}
	return &g.settings
}
