package crvgate_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// rates writes to the map that it is given, and panics if the map is nil.
func rates(known map[string]int) aureus.ValidationResult {
	known["x"] = 1
	return crvgate.Pass()
}

func always(context.Context, crvgate.Change[transfer]) (bool, error) { return true, nil }

func TestValidate_SeveralFailures_KeepsEveryResult(t *testing.T) {
	t.Parallel()
	gate := crvgate.New("g",
		saying(crvgate.Fail(aureus.Conflict, "first")),
		func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
			return rates(nil)
		},
		nil,
		pass,
		sure(0.5),
		saying(aureus.ValidationResult{Valid: false, Reason: "no code"}),
		func(context.Context, crvgate.Change[int]) aureus.ValidationResult { panic("s3cret") },
	).With(validators.MaxSize(0), validators.NotNull()).RequireConfidence(0.8).Recover(aureus.Escalate{Reason: "look at it"})

	result := gate.Validate(t.Context(), crvgate.Change[int]{Data: 7})
	require.False(t, result.Passed)
	require.True(t, result.BlockedCommit)
	require.Equal(t, vocab.CRVBlocked, result.CRVStatus)
	require.Equal(t, "g", result.GateName)
	require.Equal(t, aureus.Conflict, result.FailureCode)
	require.Equal(t, map[string]any{"type": "escalate", "reason": "look at it"}, result.RecoveryStrategy)

	results := result.ValidationResults
	require.Len(t, results, 9)
	var codes []aureus.FailureTaxonomy
	var valid []bool
	for _, r := range results {
		codes, valid = append(codes, r.FailureCode), append(valid, r.Valid)
	}
	require.Equal(t, []bool{false, false, false, true, true, false, false, false, true}, valid)
	require.Equal(t, []aureus.FailureTaxonomy{"CONFLICT", "TOOL_ERROR", "TOOL_ERROR", "", "", "", "TOOL_ERROR", "OUT_OF_SCOPE", ""}, codes)
	require.Contains(t, results[1].Reason, "assignment to entry in nil map", "the text of a runtime error is shown")
	require.Contains(t, results[1].Reason, "gate_test.go:", "the line of the panic is shown")
	require.Equal(t, "the validator is nil", results[2].Reason)
	require.NotContains(t, results[6].Reason, "s3cret", "the value of a panic is not shown")
	require.Contains(t, results[6].Reason, "string")
	for _, r := range results {
		require.Equal(t, !r.Valid && r.FailureCode != "", r.Remediation != "", "each coded failure has a remediation: %s", r.Reason)
	}
}

func TestValidate_OnlyConfidenceTooLow_IsLowConfidence(t *testing.T) {
	t.Parallel()
	gate := crvgate.New("g", pass, sure(0.79)).RequireConfidence(0.8).Recover(aureus.AskUser{Prompt: "sure?"})
	result := gate.Validate(t.Context(), crvgate.Change[int]{})
	require.Equal(t, aureus.LowConfidence, result.FailureCode)
	require.Equal(t, aureus.LowConfidence.Remediation(), result.Remediation)
	require.Equal(t, "ask_user", result.RecoveryStrategy["type"])
	require.True(t, result.ValidationResults[1].Valid, "the result of the validator does not change")

	result = gate.NonBlocking().Validate(t.Context(), crvgate.Change[int]{})
	require.Equal(t, vocab.CRVWarning, result.CRVStatus)
	require.Equal(t, aureus.LowConfidence, result.FailureCode)
	require.Equal(t, "ask_user", result.RecoveryStrategy["type"])

	for name, result := range map[string]aureus.GateResult{
		"low confidence and a failure without a code":   crvgate.New("g", sure(0.1), saying(aureus.ValidationResult{})).RequireConfidence(0.8).Validate(t.Context(), crvgate.Change[int]{}),
		"a failure without a code, with low confidence": crvgate.New("g", saying(aureus.ValidationResult{Confidence: new(0.1)})).RequireConfidence(0.8).Validate(t.Context(), crvgate.Change[int]{}),
	} {
		require.Empty(t, result.FailureCode, "%s: confidence is not the only failure", name)
	}
}

func TestRecover_GatePasses_HasNoStrategy(t *testing.T) {
	t.Parallel()
	result := crvgate.New("g", pass).Recover(aureus.Ignore{Justification: "x"}).Validate(t.Context(), crvgate.Change[int]{})
	require.True(t, result.Passed)
	require.Nil(t, result.RecoveryStrategy)
	require.Empty(t, result.FailureCode)
	require.Empty(t, result.Remediation)
}

func TestValidate_SeveralFailures_UsesRemediationOfFirstWithCode(t *testing.T) {
	t.Parallel()
	own := crvgate.Fail(aureus.Conflict, "r")
	own.Remediation = "call accounting"
	result := crvgate.New("g", saying(aureus.ValidationResult{}), saying(own), saying(crvgate.Fail(aureus.MissingData, ""))).Validate(t.Context(), crvgate.Change[int]{})
	require.Equal(t, aureus.Conflict, result.FailureCode)
	require.Equal(t, "call accounting", result.Remediation)
}

// Every result can be read by a client of the API: codes are among the seven, and
// confidences are from 0 to 1.
func TestValidate_InvalidConfidenceOrCode_IsNotInTheResult(t *testing.T) {
	t.Parallel()
	result := crvgate.New("g", sure(1.01), sure(-3), saying(crvgate.Fail("NONSENSE", "why")), saying(aureus.ValidationResult{Valid: true, FailureCode: "NONSENSE"})).
		Validate(t.Context(), crvgate.Change[int]{})
	for i, r := range result.ValidationResults {
		require.True(t, r.FailureCode == "" || r.FailureCode.Valid(), "%d", i)
		require.True(t, r.Confidence == nil || *r.Confidence >= 0 && *r.Confidence <= 1, "%d", i)
	}
	require.Contains(t, result.ValidationResults[2].Reason, "NONSENSE")
}

// A caller can write through the shared pointer of Pass. That affects neither the
// judgement nor other results.
func TestPass_ConfidenceModifiedByACaller_DoesNotAffectOthers(t *testing.T) {
	spoilt := crvgate.Pass()
	*spoilt.Confidence = 0
	defer func() { *spoilt.Confidence = 1 }()
	result := crvgate.New("g", pass).RequireConfidence(1).Validate(t.Context(), crvgate.Change[int]{})
	require.True(t, result.Passed)
	require.InDelta(t, 1, *result.ValidationResults[0].Confidence, 0)
	*result.ValidationResults[0].Confidence = 0.3
	require.InDelta(t, 0, *spoilt.Confidence, 0, "each result has its own pointer")
}

type strategy map[string]any

func (s strategy) Strategy() map[string]any { return s }

func TestGate_Methods_DoNotChangeTheReceiver(t *testing.T) {
	t.Parallel()
	given := []crvgate.Validator[int]{pass, pass}
	base := crvgate.New("g", given...)
	given[0] = saying(crvgate.Fail(aureus.Conflict, ""))
	strategy := strategy{"type": "escalate"}
	left := base.With(validators.NotNull()).Recover(strategy)
	right := base.With(validators.MaxSize(0))
	both := left.With(validators.MaxSize(0))
	_ = left.With(validators.MaxSize(100))
	base.NonBlocking()
	base.RequireConfidence(1)
	base.Observe(func(context.Context, crvgate.Report) { t.Error("observed") })
	base.Previous(func(context.Context, int) (int, bool, error) { return 0, false, errors.New("no") })
	base.Describe(func(context.Context, int) (string, map[string]any) { panic("no") })
	base.DetectMutation()
	strategy["type"] = "ignore"

	require.NoError(t, base.Check(t.Context(), crvgate.Change[int]{Data: 1}))
	require.NoError(t, left.Check(t.Context(), crvgate.Change[int]{Data: 1}))
	require.Error(t, right.Check(t.Context(), crvgate.Change[int]{Data: 1}))
	result := both.Validate(t.Context(), crvgate.Change[int]{Data: 1})
	require.Len(t, result.ValidationResults, 4)
	require.Equal(t, "escalate", result.RecoveryStrategy["type"])
	result.RecoveryStrategy["type"] = "ignore"
	require.Equal(t, "escalate", both.Validate(t.Context(), crvgate.Change[int]{Data: 1}).RecoveryStrategy["type"])
	require.Nil(t, both.Recover(nil).Validate(t.Context(), crvgate.Change[int]{Data: 1}).RecoveryStrategy)
	grown := base.With(validators.NotNull(), validators.MaxSize(50)).With(validators.NotNull()) // its slice has capacity for one more
	tall, small := grown.With(validators.MaxSize(100)), grown.With(validators.MaxSize(0))
	require.NoError(t, tall.Check(t.Context(), crvgate.Change[int]{Data: 1}))
	require.Error(t, small.Check(t.Context(), crvgate.Change[int]{Data: 1}))
	require.Equal(t, "g", both.Name())
	require.Empty(t, (*crvgate.Gate[int])(nil).Name())
}

type account struct {
	Balance  int64  `json:"balance"`
	Currency string `json:"currency,omitzero"`
	internal int
}

func TestWrap_PreviousAndDescribe_CompleteTheChange(t *testing.T) {
	t.Parallel()
	seen := crvgate.Change[account]{}
	gate := crvgate.New("g", func(_ context.Context, c crvgate.Change[account]) aureus.ValidationResult {
		seen = c
		return crvgate.Pass()
	}).
		Previous(func(_ context.Context, next account) (account, bool, error) {
			return account{Balance: next.Balance - 1}, true, nil
		}).
		Describe(func(context.Context, account) (string, map[string]any) {
			return "change-1", map[string]any{"workflowId": "w", "taskId": "t"}
		})
	var report crvgate.Report
	gate = gate.Observe(func(_ context.Context, r crvgate.Report) { report = r })

	require.NoError(t, crvgate.Wrap(gate, func(context.Context, account) error { return nil })(t.Context(), account{Balance: 5}))
	require.Equal(t, account{Balance: 4}, seen.Previous)
	require.True(t, seen.HasPrevious)
	require.Equal(t, "change-1", seen.ID)
	require.Equal(t, "change-1", report.ChangeID)
	event, ok := report.Event()
	require.True(t, ok)
	require.Equal(t, "w", event.WorkflowID)

	given := crvgate.Change[account]{ID: "mine", Data: account{Balance: 5}, Previous: account{Balance: 9}, HasPrevious: true}
	require.NoError(t, gate.Check(t.Context(), given))
	require.Equal(t, given, seen, "the id and the previous state of the change are not replaced")
}

func TestBlocked_ErrorOfPrevious_IsNotInTheResult(t *testing.T) {
	t.Parallel()
	cause := errors.New("dial tcp 10.0.0.7: password authentication failed")
	gate := crvgate.New("g", pass).Previous(func(context.Context, int) (int, bool, error) { return 0, false, cause })
	err := gate.Check(t.Context(), crvgate.Change[int]{})
	require.ErrorIs(t, err, cause)
	require.ErrorContains(t, err, "10.0.0.7")
	blocked, _ := errors.AsType[*crvgate.Blocked](err)
	require.NotContains(t, blocked.Result.ValidationResults[0].Reason, "10.0.0.7", "results are sent to other services")
}

func TestWith_Validators_SeeFreeFormJSON(t *testing.T) {
	t.Parallel()
	var seen crvgate.Change[any]
	look := func(_ context.Context, c crvgate.Change[any]) aureus.ValidationResult {
		seen = c
		return crvgate.Pass()
	}
	gate := crvgate.New("g", func(context.Context, crvgate.Change[account]) aureus.ValidationResult { return crvgate.Pass() }).
		With(validators.BalancePositive(), validators.SchemaCheck(), look)

	change := crvgate.Change[account]{
		ID: "c", Data: account{Balance: 9007199254740993, Currency: "EUR", internal: 1}, Metadata: map[string]any{"k": 1},
		Previous: account{Balance: 5}, HasPrevious: true,
	}
	require.NoError(t, gate.Check(t.Context(), change))
	require.Equal(t, map[string]any{"balance": json.Number("9007199254740993"), "currency": "EUR"}, seen.Data)
	require.Equal(t, map[string]any{"balance": json.Number("5")}, seen.Previous)
	require.Equal(t, "c", seen.ID)
	require.Equal(t, change.Metadata, seen.Metadata)

	change.HasPrevious = false
	require.NoError(t, gate.Check(t.Context(), change))
	require.Nil(t, seen.Previous)
	require.False(t, seen.HasPrevious)

	change.Data.Balance = 0
	err := gate.Check(t.Context(), change)
	require.Equal(t, aureus.OutOfScope, crvgate.FailureCode(err))
	require.ErrorContains(t, err, "the balance is 0")
}

func TestWith_ValidatorThatModifies_DoesNotAffectTheChange(t *testing.T) {
	t.Parallel()
	data := map[string]any{"a": "b"}
	spoil := func(_ context.Context, c crvgate.Change[any]) aureus.ValidationResult {
		object, _ := c.Data.(map[string]any)
		object["a"] = "spoilt"
		return crvgate.Pass()
	}
	gate := crvgate.New("g", func(context.Context, crvgate.Change[map[string]any]) aureus.ValidationResult { return crvgate.Pass() }).With(spoil)
	require.NoError(t, gate.Check(t.Context(), crvgate.Change[map[string]any]{Data: data}))
	require.Equal(t, map[string]any{"a": "b"}, data)
}

type explosive struct{}

func (explosive) MarshalJSON() ([]byte, error) { panic("boom") }

func TestWith_ChangeWithoutJSONForm_IsConflict(t *testing.T) {
	for name, data := range map[string]any{
		"a channel": make(chan int), "NaN": nan(), "invalid UTF-8": "\xff", "a panic": explosive{}, "a map with a function": map[string]any{"a": func() {}},
		"an invalid number": json.Number("1x"), "a loop": loop(), "deep nesting": deep(200),
	} {
		t.Run(name, func(t *testing.T) {
			gate := crvgate.New("g", func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return crvgate.Pass() })
			result := gate.With(validators.NotNull(), validators.MaxSize(10)).Validate(t.Context(), crvgate.Change[any]{Data: data})
			require.Len(t, result.ValidationResults, 3)
			require.Equal(t, aureus.Conflict, result.FailureCode)

			result = gate.With(validators.NotNull()).Validate(t.Context(), crvgate.Change[any]{Previous: data, HasPrevious: true})
			require.Equal(t, aureus.Conflict, result.FailureCode)

			// the same validators in a gate for changes of type any
			result = crvgate.New("g", validators.NotNull(), validators.Monotonic()).Validate(t.Context(), crvgate.Change[any]{Data: data})
			require.False(t, result.Passed)
			result = new(registry.Registry).Validate(t.Context(), aureus.Commit{Data: data}, aureus.GateConfig{Validators: []string{"not_null"}, BlockOnFailure: true})
			require.False(t, result.Passed)
			require.True(t, result.BlockedCommit)
		})
	}
}

func nan() float64 { zero := 0.0; return zero / zero }

func loop() any {
	object := map[string]any{}
	object["self"] = object
	return object
}

func deep(levels int) any {
	var value any = "bottom"
	for range levels {
		value = []any{value}
	}
	return value
}

func TestDetectMutation_ValidatorThatModifies_IsToolError(t *testing.T) {
	t.Parallel()
	honest := func(_ context.Context, c crvgate.Change[map[string]int]) aureus.ValidationResult {
		c.Data = nil // changes only the copy of this validator
		if c.Data != nil {
			return crvgate.Fail(aureus.Conflict, "the data is not nil")
		}
		return crvgate.Pass()
	}
	alike := func(context.Context, crvgate.Change[map[string]int]) aureus.ValidationResult { return crvgate.Pass() }
	spoil := func(_ context.Context, c crvgate.Change[map[string]int]) aureus.ValidationResult {
		c.Data["a"]++
		return crvgate.Pass()
	}
	spoilMetadata := func(_ context.Context, c crvgate.Change[map[string]int]) aureus.ValidationResult {
		c.Metadata["k"] = "v"
		return crvgate.Pass()
	}
	change := func() crvgate.Change[map[string]int] {
		return crvgate.Change[map[string]int]{Data: map[string]int{"a": 1}, Metadata: map[string]any{}}
	}
	require.NoError(t, crvgate.New("g", honest).With(validators.NotNull()).DetectMutation().Check(t.Context(), change()))
	require.NoError(t, crvgate.New("g", spoil).Check(t.Context(), change()), "mutations are found only with DetectMutation")
	result := crvgate.New("g", honest, spoil, alike, spoilMetadata).DetectMutation().Validate(t.Context(), change())
	require.Len(t, result.ValidationResults, 6)
	require.Equal(t, aureus.ToolError, result.FailureCode)
	require.Contains(t, result.ValidationResults[2].Reason, "validator 2 modified")
	require.Contains(t, result.ValidationResults[5].Reason, "validator 4 modified")

	rule := func(_ context.Context, c crvgate.Change[any]) aureus.ValidationResult {
		object, _ := c.Data.(map[string]any)
		object["b"] = true
		return crvgate.Pass()
	}
	require.Error(t, crvgate.New("g", honest).With(rule).DetectMutation().Check(t.Context(), change()))
	require.Error(t, crvgate.New("g", func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return crvgate.Pass() }).
		DetectMutation().Check(t.Context(), crvgate.Change[any]{Data: func() {}}), "a change without a digest cannot be checked for mutation")

	ctx, cancel := context.WithCancel(t.Context())
	stop := func(context.Context, crvgate.Change[int]) aureus.ValidationResult { cancel(); return crvgate.Pass() }
	result = crvgate.New("g", stop, pass).DetectMutation().Validate(ctx, crvgate.Change[int]{})
	require.Len(t, result.ValidationResults, 2, "the first result, and a result with the reason why the gate stopped")
}

func TestObserve_EveryJudgement_IsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type key struct{}
		ctx, cancel := context.WithCancel(context.WithValue(t.Context(), key{}, "value"))
		var order []string
		var reports []crvgate.Report
		slow := func(_ context.Context, c crvgate.Change[int]) aureus.ValidationResult {
			time.Sleep(3 * time.Second)
			if c.Data < 0 {
				cancel()
			}
			return crvgate.Pass()
		}
		gate := crvgate.New("g", slow).RequireConfidence(0.5).
			Observe(func(context.Context, crvgate.Report) { order = append(order, "first"); panic("boom") }).
			Observe(func(ctx context.Context, r crvgate.Report) {
				order = append(order, "second")
				require.Equal(t, "value", ctx.Value(key{}))
				require.NoError(t, ctx.Err(), "the outcome of a cancelled request is recorded too")
				reports = append(reports, r)
				r.Result.ValidationResults[0].Valid = false
			})
		change := crvgate.Change[int]{ID: "c", Data: 1, Metadata: map[string]any{"k": "v"}}
		require.NoError(t, gate.Check(ctx, change))
		result := gate.Validate(ctx, change)
		require.True(t, result.ValidationResults[0].Valid, "each observer has its own list of results")
		require.Error(t, gate.Check(ctx, crvgate.Change[int]{Data: -1}))

		require.Equal(t, []string{"first", "second", "first", "second", "first", "second"}, order, "once each, in order")
		require.Equal(t, 3*time.Second, reports[0].Duration)
		require.Equal(t, "c", reports[0].ChangeID)
		require.InDelta(t, 0.5, reports[0].RequiredConfidence, 0)
		require.True(t, reports[0].Result.Passed)
		require.Equal(t, aureus.TimestampOf(time.Now().Add(-6*time.Second)), reports[0].Result.Timestamp)
		require.False(t, reports[2].Result.Passed)
		require.Equal(t, change.Metadata, reports[0].Metadata)
	})
}

func TestBlocked_Error_HasGateCodeReasonAndRemediation(t *testing.T) {
	t.Parallel()
	err := crvgate.New("ledger", pass, saying(aureus.ValidationResult{Reason: "vague"}), saying(crvgate.Fail(aureus.OutOfScope, "the account would be overdrawn"))).
		Check(t.Context(), crvgate.Change[int]{})
	require.EqualError(t, err, `crvgate: gate "ledger" blocked the change: OUT_OF_SCOPE: the account would be overdrawn (`+aureus.OutOfScope.Remediation()+`)`)
	err = crvgate.New("ledger", saying(aureus.ValidationResult{Reason: "vague"})).Check(t.Context(), crvgate.Change[int]{})
	require.EqualError(t, err, `crvgate: gate "ledger" blocked the change: vague`)
	err = crvgate.New("ledger", sure(0.2)).RequireConfidence(0.5).Check(t.Context(), crvgate.Change[int]{})
	require.True(t, strings.HasPrefix(err.Error(), `crvgate: gate "ledger" blocked the change: LOW_CONFIDENCE`), err.Error())
	require.Empty(t, crvgate.FailureCode(nil))
	require.Empty(t, crvgate.FailureCode(errors.New("another")))
	blocked, _ := errors.AsType[gateError](errWrap{err})
	require.Equal(t, "ledger", blocked.GateResult().GateName)
	require.NotErrorIs(t, &crvgate.Blocked{}, crvgate.ErrUndecided, "an error that the caller created matches according to its result")
}

// gateError is how a package that does not import crvgate recognizes the error.
type gateError interface {
	error
	GateResult() aureus.GateResult
}

type errWrap struct{ error }

func (e errWrap) Unwrap() error { return e.error }

func TestChain_GateBlocks_LaterGatesDoNotRun(t *testing.T) {
	t.Parallel()
	ran := 0
	count := func(context.Context, crvgate.Change[int]) aureus.ValidationResult { ran++; return crvgate.Pass() }
	warn := crvgate.New("warn", saying(crvgate.Fail(aureus.LowConfidence, ""))).NonBlocking()
	block := crvgate.New("block", saying(crvgate.Fail(aureus.Conflict, "")))
	chain := crvgate.Chain(crvgate.New("a", count), warn, crvgate.New("b", count), block, crvgate.New("c", count))
	results := chain.Validate(t.Context(), crvgate.Change[int]{})
	require.Len(t, results, 4)
	require.Equal(t, 2, ran)
	require.Equal(t, []string{"passed", "warning", "passed", "blocked"}, []string{results[0].CRVStatus, results[1].CRVStatus, results[2].CRVStatus, results[3].CRVStatus})

	blocked, ok := errors.AsType[*crvgate.Blocked](chain.Check(t.Context(), crvgate.Change[int]{}))
	require.True(t, ok)
	require.Equal(t, "block", blocked.Result.GateName)
	require.Equal(t, 4, ran)

	gates := []*crvgate.Gate[int]{crvgate.New("a", count)}
	chain = crvgate.Chain(gates...)
	gates[0] = block
	require.NoError(t, chain.Check(t.Context(), crvgate.Change[int]{}), "a chain has its own copy of the list")
	require.NotNil(t, (*crvgate.Gates[int])(nil).Validate(t.Context(), crvgate.Change[int]{}))
}

func TestCheck_Pass_DoesNotAllocate(t *testing.T) {
	gate := crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency)
	for name, checker := range map[string]crvgate.Checker[transfer]{
		"a gate":                        gate,
		"with a threshold":              gate.RequireConfidence(1),
		"non-blocking":                  gate.NonBlocking(),
		"a chain":                       crvgate.Chain(gate, gate),
		"with four validators":          crvgate.New("ledger", positiveAmount, noOverdraft, sameCurrency, validators.Custom("fine", always, "", "")),
		"with a loader and description": gate.Previous(func(_ context.Context, t transfer) (transfer, bool, error) { return t, true, nil }),
	} {
		t.Run(name, func(t *testing.T) {
			apply := crvgate.Wrap(checker, applyTransfer)
			charge := crvgate.WrapValue(checker, func(_ context.Context, t transfer) (int64, error) { return t.Amount, nil })
			ctx := t.Context()
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if apply(ctx, fine) != nil {
					panic("blocked")
				}
				if _, err := charge(ctx, fine); err != nil {
					panic(err)
				}
			}))
		})
	}
}

func TestGate_ConcurrentUse_IsSafe(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	reports := 0
	gate := crvgate.New("ledger", positiveAmount, noOverdraft).With(validators.NotNull(), validators.MaxSize(1000)).
		RequireConfidence(0.5).Recover(aureus.Escalate{}).
		Observe(func(context.Context, crvgate.Report) { mu.Lock(); reports++; mu.Unlock() })
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				if err := gate.Check(t.Context(), crvgate.Change[transfer]{Data: fine}); err != nil {
					t.Error(err)
				}
				if err := gate.NonBlocking().With(validators.MaxSize(1)).Check(t.Context(), crvgate.Change[transfer]{Data: fine}); err != nil {
					t.Error(err)
				}
				if err := gate.Check(t.Context(), crvgate.Change[transfer]{Data: overdraw}); err == nil {
					t.Error("admitted")
				}
			}
		})
	}
	group.Wait()
	require.Equal(t, 8*50*3, reports)
}

func TestReportEvent_WorkflowAndTask_AreNeeded(t *testing.T) {
	t.Parallel()
	result := crvgate.New("ledger", saying(crvgate.Fail(aureus.Conflict, ""))).Validate(t.Context(), crvgate.Change[int]{})
	metadata := map[string]any{"workflowId": "w", "taskId": "t"}
	event, ok := crvgate.Report{Result: result, ChangeID: "c", Metadata: metadata}.Event()
	require.True(t, ok)
	require.Equal(t, aureus.TelemetryEvent{
		Type: aureus.EventCRVResult, Timestamp: result.Timestamp, WorkflowID: "w", TaskID: "t",
		Data: map[string]any{"gateName": "ledger", "passed": false, "blocked": true, "failureCode": "CONFLICT"},
	}, event)
	passed := crvgate.New("ledger", pass).Validate(t.Context(), crvgate.Change[int]{})
	event, ok = crvgate.Report{Result: passed, Metadata: metadata}.Event()
	require.True(t, ok)
	require.Equal(t, map[string]any{"gateName": "ledger", "passed": true, "blocked": false}, event.Data)
	for _, metadata := range []map[string]any{nil, {}, {"workflowId": "w"}, {"taskId": "t"}, {"workflowId": "", "taskId": "t"}, {"workflowId": 1, "taskId": "t"}} {
		_, ok := crvgate.Report{Result: result, Metadata: metadata}.Event()
		require.False(t, ok, "%v", metadata)
	}
}
