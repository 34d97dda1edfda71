package crvgate_test

import (
	"context"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func pass(context.Context, crvgate.Change[int]) aureus.ValidationResult { return crvgate.Pass() }

func saying(result aureus.ValidationResult) crvgate.Validator[int] {
	return func(context.Context, crvgate.Change[int]) aureus.ValidationResult { return result }
}

func sure(confidence float64) crvgate.Validator[int] {
	return saying(aureus.ValidationResult{Valid: true, Confidence: &confidence})
}

// refused lists every way in which a change is not admitted. A new feature of the gate
// gets its rows here.
var refused = []struct {
	name      string
	gate      crvgate.Checker[int]
	ctx       func(context.Context) context.Context
	undecided bool
	code      aureus.FailureTaxonomy
}{
	{name: "a nil interface", gate: nil, undecided: true, code: aureus.ToolError},
	{name: "a nil gate", gate: (*crvgate.Gate[int])(nil), undecided: true, code: aureus.ToolError},
	{name: "the zero gate", gate: &crvgate.Gate[int]{}, undecided: true, code: aureus.ToolError},
	{name: "the zero gate, made non-blocking", gate: (&crvgate.Gate[int]{}).NonBlocking(), undecided: true, code: aureus.ToolError},
	{name: "a nil gate, made non-blocking", gate: (*crvgate.Gate[int])(nil).NonBlocking(), undecided: true, code: aureus.ToolError},
	{name: "no validators", gate: crvgate.New[int]("g"), undecided: true, code: aureus.ToolError},
	{name: "no validators, with all options", gate: crvgate.New[int]("g").With().Observe(ignore).RequireConfidence(0).Recover(aureus.Ignore{}), undecided: true, code: aureus.ToolError},
	{name: "no validators, non-blocking", gate: crvgate.New[int]("g").NonBlocking(), undecided: true, code: aureus.ToolError},

	{name: "a nil chain", gate: (*crvgate.Gates[int])(nil), undecided: true, code: aureus.ToolError},
	{name: "the zero chain", gate: &crvgate.Gates[int]{}, undecided: true, code: aureus.ToolError},
	{name: "a chain without gates", gate: crvgate.Chain[int](), undecided: true, code: aureus.ToolError},
	{name: "a nil gate in a chain", gate: crvgate.Chain(crvgate.New("g", pass), nil), undecided: true, code: aureus.ToolError},
	{name: "the second gate of a chain", gate: crvgate.Chain(crvgate.New("g", pass), crvgate.New("h", saying(crvgate.Fail(aureus.Conflict, "")))), code: aureus.Conflict},

	{name: "a nil validator", gate: crvgate.New[int]("g", pass, nil), undecided: true, code: aureus.ToolError},
	{name: "a nil validator of With", gate: crvgate.New("g", pass).With(nil), undecided: true, code: aureus.ToolError},
	{name: "the zero result", gate: crvgate.New("g", pass, saying(aureus.ValidationResult{}), sure(1))},
	{name: "a failure", gate: crvgate.New("g", saying(crvgate.Fail(aureus.OutOfScope, "too much")), pass), code: aureus.OutOfScope},
	{name: "a failure with an unknown code", gate: crvgate.New("g", saying(crvgate.Fail("NONSENSE", "what")))},
	{name: "a panic", gate: crvgate.New("g", pass, func(context.Context, crvgate.Change[int]) aureus.ValidationResult { panic("boom") }, sure(1)), undecided: true, code: aureus.ToolError},
	{name: "a panic with nil", gate: crvgate.New("g", func(context.Context, crvgate.Change[int]) aureus.ValidationResult { panic(nil) }), undecided: true, code: aureus.ToolError},
	{name: "a panic and a failure", gate: crvgate.New("g", func(context.Context, crvgate.Change[int]) aureus.ValidationResult { panic("boom") }, saying(crvgate.Fail(aureus.Conflict, ""))), code: aureus.ToolError},

	{name: "no confidence with a required confidence", gate: crvgate.New("g", saying(aureus.ValidationResult{Valid: true})).RequireConfidence(0.1), code: aureus.LowConfidence},
	{name: "too little confidence", gate: crvgate.New("g", sure(0.79), pass).RequireConfidence(0.8), code: aureus.LowConfidence},
	{name: "confidence zero", gate: crvgate.New("g", sure(0)).RequireConfidence(0.01), code: aureus.LowConfidence},
	{name: "confidence NaN", gate: crvgate.New("g", sure(math.NaN())).RequireConfidence(0.1), code: aureus.LowConfidence},
	{name: "confidence infinite", gate: crvgate.New("g", sure(math.Inf(1))).RequireConfidence(0.1), code: aureus.LowConfidence},
	{name: "confidence above 1", gate: crvgate.New("g", sure(1.01)).RequireConfidence(0.1), code: aureus.LowConfidence},
	{name: "confidence negative", gate: crvgate.New("g", sure(-1)).RequireConfidence(0.1), code: aureus.LowConfidence},

	{name: "a cancelled context", gate: crvgate.New("g", pass), ctx: cancelled, undecided: true, code: aureus.ToolError},
	{name: "a cancelled context, non-blocking", gate: crvgate.New("g", pass).NonBlocking(), ctx: cancelled, undecided: true, code: aureus.ToolError},
	{name: "a context past its deadline", gate: crvgate.New("g", pass), ctx: expired, undecided: true, code: aureus.ToolError},
	{name: "no context", gate: crvgate.New("g", pass).NonBlocking().Observe(ignore), ctx: func(context.Context) context.Context { return nil }, undecided: true, code: aureus.ToolError},
	{name: "a context cancelled in a chain", gate: crvgate.Chain(crvgate.New("g", pass)), ctx: cancelled, undecided: true, code: aureus.ToolError},

	{name: "a previous state that cannot be loaded", gate: crvgate.New("g", pass).Previous(func(context.Context, int) (int, bool, error) { return 1, true, errors.New("no database") }), undecided: true, code: aureus.ToolError},
	{name: "a previous state that cannot be loaded, non-blocking", gate: crvgate.New("g", pass).NonBlocking().Previous(func(context.Context, int) (int, bool, error) { return 1, true, errors.New("no database") }), undecided: true, code: aureus.ToolError},
	{name: "a panic while the previous state is loaded", gate: crvgate.New("g", pass).NonBlocking().Previous(func(context.Context, int) (int, bool, error) { panic("boom") }), undecided: true, code: aureus.ToolError},
	{name: "a panic while describing the change", gate: crvgate.New("g", pass).NonBlocking().Describe(func(context.Context, int) (string, map[string]any) { panic("boom") }), undecided: true, code: aureus.ToolError},

	{name: "a validator of With that fails", gate: crvgate.New("g", pass).With(validators.NotNull(), validators.MaxSize(1)), code: aureus.OutOfScope},
	{name: "an id without a registered validator", gate: crvgate.New("g", pass).With(new(registry.Registry).Validator("nobody")), undecided: true, code: aureus.ToolError},
	{name: "a failure with an observer that panics", gate: crvgate.New("g", saying(crvgate.Fail(aureus.Conflict, ""))).Observe(func(context.Context, crvgate.Report) { panic("boom") }), code: aureus.Conflict},
	{name: "a failure with an observer that modifies its report", gate: crvgate.New("g", saying(crvgate.Fail(aureus.Conflict, ""))).Observe(func(_ context.Context, r crvgate.Report) {
		r.Result.Passed, r.Result.ValidationResults[0].Valid = true, true
	}), code: aureus.Conflict},
}

func ignore(context.Context, crvgate.Report) {}

func cancelled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

func expired(ctx context.Context) context.Context {
	ctx, cancel := context.WithDeadline(ctx, time.Unix(0, 0))
	cancel()
	return ctx
}

func TestCheck_FailClosedCases_AreRefused(t *testing.T) {
	for _, c := range refused {
		t.Run(c.name, func(t *testing.T) {
			applied := false
			apply := crvgate.Wrap(c.gate, func(context.Context, int) error { applied = true; return nil })
			charge := crvgate.WrapValue(c.gate, func(context.Context, int) (string, error) { applied = true; return "done", nil })
			ctx := t.Context()
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}

			err := apply(ctx, 123)
			value, errValue := charge(ctx, 123)

			require.False(t, applied, "the function must not run")
			require.Empty(t, value)
			for _, err := range []error{err, errValue} {
				require.ErrorIs(t, err, crvgate.ErrBlocked)
				require.Equal(t, c.undecided, errors.Is(err, crvgate.ErrUndecided), "%v", err)
				require.Equal(t, c.code, crvgate.FailureCode(err))
				blocked, ok := errors.AsType[*crvgate.Blocked](err)
				require.True(t, ok)
				require.False(t, blocked.Result.Passed)
				require.True(t, blocked.Result.BlockedCommit)
				require.Equal(t, vocab.CRVBlocked, blocked.Result.CRVStatus)
				require.NotEmpty(t, blocked.Result.ValidationResults)
			}
			if ctx != nil && ctx.Err() != nil {
				require.ErrorIs(t, err, ctx.Err())
			}
		})
	}
}

// TestCheck_AdmittedCases_ReturnNil shows that similar gates without the fault admit the
// change, so the rows above are refused because of their fault.
func TestCheck_AdmittedCases_ReturnNil(t *testing.T) {
	for name, gate := range map[string]crvgate.Checker[int]{
		"all pass":                              crvgate.New("g", pass, sure(1)),
		"more validators than inlineResults":    crvgate.New("g", slices.Repeat([]crvgate.Validator[int]{pass}, 6)...),
		"only rules":                            crvgate.New[int]("g").With(validators.NotNull()),
		"confidence at the threshold":           crvgate.New("g", sure(0.8)).RequireConfidence(0.8),
		"confidence 1 of Pass":                  crvgate.New("g", pass).RequireConfidence(1),
		"no confidence and none required":       crvgate.New("g", saying(aureus.ValidationResult{Valid: true})),
		"a threshold of 0":                      crvgate.New("g", sure(0.01), sure(math.NaN())).RequireConfidence(0),
		"a warning of a non-blocking gate":      crvgate.New("g", saying(crvgate.Fail(aureus.Conflict, ""))).NonBlocking(),
		"a panic in a non-blocking gate":        crvgate.New("g", func(context.Context, crvgate.Change[int]) aureus.ValidationResult { panic("boom") }).NonBlocking(),
		"low confidence in a non-blocking gate": crvgate.New("g", sure(0.1)).RequireConfidence(1).NonBlocking(),
		"a panicking observer":                  crvgate.New("g", pass).Observe(func(context.Context, crvgate.Report) { panic("boom") }),
		"a chain":                               crvgate.Chain(crvgate.New("g", pass), crvgate.New("h", pass)),
		"a chain with a warning":                crvgate.Chain(crvgate.New("g", saying(crvgate.Fail(aureus.Conflict, ""))).NonBlocking(), crvgate.New("h", pass)),
		"a previous state that was not found":   crvgate.New("g", pass).Previous(func(context.Context, int) (int, bool, error) { return 0, false, nil }),
	} {
		t.Run(name, func(t *testing.T) {
			applied := 0
			boom := errors.New("the error of the function")
			apply := crvgate.Wrap(gate, func(_ context.Context, n int) error { applied = n; return boom })
			require.Equal(t, boom, apply(t.Context(), 123), "the error of the function is returned unchanged")
			require.Equal(t, 123, applied)
			value, err := crvgate.WrapValue(gate, func(_ context.Context, n int) (int, error) { return n + 1, nil })(t.Context(), 1)
			require.NoError(t, err)
			require.Equal(t, 2, value)
		})
	}
}

func TestValidate_ContextEndsWhileJudging_IsToolError(t *testing.T) {
	for name, endAt := range map[string]int{"in the middle": 1, "in the last validator": 2} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			reason := errors.New("the caller disconnected")
			var validators []crvgate.Validator[int]
			ran := 0
			for i := range 3 {
				validators = append(validators, func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
					ran++
					if i == endAt {
						cancel(reason)
					}
					return crvgate.Pass()
				})
			}
			gate := crvgate.New("g", validators...).NonBlocking()
			err := crvgate.Wrap(gate, func(context.Context, int) error { t.Error("applied"); return nil })(ctx, 1)
			require.ErrorIs(t, err, crvgate.ErrUndecided)
			require.ErrorIs(t, err, reason)
			require.Equal(t, endAt+1, ran)
			blocked, _ := errors.AsType[*crvgate.Blocked](err)
			require.Len(t, blocked.Result.ValidationResults, ran+1, "earlier results are kept, and the last result says why the gate stopped")
			for _, result := range blocked.Result.ValidationResults[:ran] {
				require.True(t, result.Valid)
			}
			require.Equal(t, aureus.ToolError, blocked.Result.ValidationResults[ran].FailureCode)
		})
	}
}

func TestValidate_ContextEndsInAPanic_IsToolError(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	ran := false
	gate := crvgate.New("g",
		func(context.Context, crvgate.Change[int]) aureus.ValidationResult { cancel(); panic("boom") },
		func(context.Context, crvgate.Change[int]) aureus.ValidationResult { ran = true; return crvgate.Pass() },
	)
	require.ErrorIs(t, gate.Check(ctx, crvgate.Change[int]{}), context.Canceled)
	require.False(t, ran)
}

func TestWrap_GoexitInAValidator_DoesNotApply(t *testing.T) {
	t.Parallel()
	gate := crvgate.New("g", func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
		runtime.Goexit()
		return crvgate.Pass()
	})
	applied := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = crvgate.Wrap(gate, func(context.Context, int) error { applied = true; return nil })(t.Context(), 1)
	}()
	<-done
	require.False(t, applied)
}

func TestConstructors_InvalidArguments_Panic(t *testing.T) {
	for name, mistake := range map[string]func(){
		"no function to wrap":      func() { crvgate.Wrap[int](crvgate.New("g", pass), nil) },
		"no function with a value": func() { crvgate.WrapValue[int, int](crvgate.New("g", pass), nil) },
		"a threshold above 1":      func() { crvgate.New("g", pass).RequireConfidence(1.01) },
		"a negative threshold":     func() { crvgate.New("g", pass).RequireConfidence(-0.1) },
		"a threshold that is NaN":  func() { crvgate.New("g", pass).RequireConfidence(math.NaN()) },
		"no observer":              func() { crvgate.New("g", pass).Observe(nil) },
		"no function Previous":     func() { crvgate.New("g", pass).Previous(nil) },
		"no function Describe":     func() { crvgate.New("g", pass).Describe(nil) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, mistake) })
	}
}
