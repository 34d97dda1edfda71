package crvgate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Gate judges changes of one type with a list of validators. All of them run,
// in order, and every finding is kept (SPEC 4.1 with C1 to C7).
//
// A Gate is immutable and safe for concurrent use: its methods return changed
// copies. The zero Gate, a nil one and one without validators refuse every
// change, whatever else was set.
type Gate[T any] struct {
	settings

	validators []Validator[T]
	rules      []Validator[any] // these see the change as free-form JSON
	describe   func(ctx context.Context, data T) (id string, metadata map[string]any)
	previous   func(ctx context.Context, data T) (previous T, found bool, err error)
}

// settings is what does not depend on the type of the change.
type settings struct {
	name           string
	nonBlocking    bool
	required       float64 // 0 is no threshold
	recovery       map[string]any
	observers      []func(ctx context.Context, report Report)
	detectMutation bool
}

// New makes a gate. Its name appears in results, errors and telemetry. The type
// of the change is inferred from the validators.
func New[T any](name string, validators ...Validator[T]) *Gate[T] {
	return &Gate[T]{settings: settings{name: name}, validators: slices.Clone(validators)}
}

// Name is the name the gate was made with.
func (g *Gate[T]) Name() string { return g.set().name }

// copy is where every changed gate begins; a nil gate becomes one that refuses.
func (g *Gate[T]) copy() *Gate[T] {
	if g == nil {
		return &Gate[T]{}
	}
	c := *g
	return &c
}

// With adds validators that see the change as free-form JSON, such as
// those of packages validators and registry. They run after the others. Data and
// Previous are converted once for all of them, and what they do to the
// converted form does not reach the change itself. A change without a JSON form
// fails each of them with CONFLICT.
func (g *Gate[T]) With(rules ...Validator[any]) *Gate[T] {
	c := g.copy()
	c.rules = append(slices.Clip(c.rules), rules...)
	return c
}

// NonBlocking makes failures warnings: the result says what failed, and the
// change is admitted. A gate that could not judge still refuses: one without
// validators, one whose context has ended, one that could not load the
// previous state.
func (g *Gate[T]) NonBlocking() *Gate[T] {
	c := g.copy()
	c.nonBlocking = true
	return c
}

// RequireConfidence sets the confidence, from 0 to 1, that every result must
// reach; equal is enough. 0 is no threshold. Above 0, a result without a
// confidence, or with one that is not a number from 0 to 1, has not reached it
// (SPEC C1, C2, C4). It panics when the threshold itself is not a number from
// 0 to 1.
func (g *Gate[T]) RequireConfidence(threshold float64) *Gate[T] {
	if !(threshold >= 0 && threshold <= 1) {
		panic(fmt.Sprintf("crvgate: RequireConfidence(%v): a confidence is a number from 0 to 1", threshold))
	}
	c := g.copy()
	c.required = threshold
	return c
}

// Recover names the strategy that a failure calls for. It is stated in the
// result of every failure, of a warning too, and absent from a pass. nil names
// none.
func (g *Gate[T]) Recover(strategy aureus.RecoveryStrategy) *Gate[T] {
	c := g.copy()
	c.recovery = nil
	if strategy != nil {
		c.recovery = maps.Clone(strategy.Strategy())
	}
	return c
}

// Observe adds a function that is told of every judgement, once, before
// [Gate.Check] or [Gate.Validate] returns: it should be quick. Its context carries the values of
// the caller's and is not cancelled with it. It cannot change the judgement,
// and its panics are swallowed: recording never hurts what is recorded. It
// panics when the function is nil.
func (g *Gate[T]) Observe(observer func(ctx context.Context, report Report)) *Gate[T] {
	if observer == nil {
		panic("crvgate: Observe(nil): there is nobody to tell")
	}
	c := g.copy()
	c.observers = append(slices.Clip(c.observers), observer)
	return c
}

// Previous sets how the state before a change is found, for changes that come
// without one, as all do that come through [Wrap]. An error or a panic means
// that the change could not be judged: it is refused, with the code TOOL_ERROR,
// and no validator runs. It panics when the function is nil.
func (g *Gate[T]) Previous(load func(ctx context.Context, data T) (previous T, found bool, err error)) *Gate[T] {
	if load == nil {
		panic("crvgate: Previous(nil): there is nothing to load with")
	}
	c := g.copy()
	c.previous = load
	return c
}

// Describe sets how a change that comes without an id and metadata gets them,
// as all do that come through [Wrap]. A panic in it counts as one in the
// function of [Gate.Previous]. It panics when the function is nil.
func (g *Gate[T]) Describe(describe func(ctx context.Context, data T) (id string, metadata map[string]any)) *Gate[T] {
	if describe == nil {
		panic("crvgate: Describe(nil): there is nothing to describe with")
	}
	c := g.copy()
	c.describe = describe
	return c
}

// DetectMutation is for tests. It takes a digest of the change's JSON form
// around every validator, and adds a result with the code TOOL_ERROR after one
// that modified what the change points to. It sees what JSON sees, and costs
// several conversions a validator.
func (g *Gate[T]) DetectMutation() *Gate[T] {
	c := g.copy()
	c.detectMutation = true
	return c
}

// Validate judges the change and returns the whole result, with one entry a
// validator in their order. The change may be made only if BlockedCommit is
// false; [Gate.Check] says the same as an error.
func (g *Gate[T]) Validate(ctx context.Context, change Change[T]) aureus.GateResult {
	var room [inline]aureus.ValidationResult
	set, started := g.set(), time.Now()
	judged, _ := g.judge(ctx, &change, room[:0])
	result := set.conclude(judged)
	set.tell(ctx, change.ID, change.Metadata, result, started)
	return result
}

// Check judges the change and returns nil only if it may be made: the gate
// passed, or warned and is [Gate.NonBlocking]. Every other answer is a
// [*Blocked]. Passing does not allocate where nobody observes and the gate has
// at most four validators.
func (g *Gate[T]) Check(ctx context.Context, change Change[T]) error {
	var room [inline]aureus.ValidationResult
	set, started := g.set(), time.Time{}
	watched := len(set.observers) > 0
	if watched {
		started = time.Now()
	}
	judged, cause := g.judge(ctx, &change, room[:0])
	admitted := judged.admitted(set)
	if admitted && !watched {
		return nil
	}
	result := set.conclude(judged)
	set.tell(ctx, change.ID, change.Metadata, result, started)
	if admitted {
		return nil
	}
	return &Blocked{Result: result, cause: cause}
}

// inline is how many results are held without an allocation.
const inline = 4

var nobody settings // of a nil gate

func (g *Gate[T]) set() *settings {
	if g == nil {
		return &nobody
	}
	return &g.settings
}
