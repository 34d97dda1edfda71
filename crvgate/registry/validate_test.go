package registry_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/steps"
)

// hostRegistry returns a registry with n validators v0, v1, and so on, which all call
// the function.
func hostRegistry(t *testing.T, n int, function registry.Func) (*registry.Registry, []string) {
	t.Helper()
	r := &registry.Registry{}
	r.Func("host", function)
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("v%d", i)
		_, err := r.Register(t.Context(), ids[i], []byte(`{"type":"custom","validation_logic":"host"}`))
		require.NoError(t, err)
	}
	return r, ids
}

// spending returns a function that uses n steps of its gate.
func spending(n int, calls *int) registry.Func {
	return func(ctx context.Context, _ crvgate.Change[any], _ map[string]any) aureus.ValidationResult {
		*calls++
		steps.From(ctx).Spend(n)
		return crvgate.Pass()
	}
}

func gateOf(ids []string) aureus.GateConfig {
	return aureus.GateConfig{Name: "g", Validators: ids, BlockOnFailure: true}
}

func TestValidate_RepeatedValidator_RunsOnce(t *testing.T) {
	t.Parallel()
	calls := 0
	r, ids := hostRegistry(t, 2, spending(1, &calls))
	result := r.Validate(t.Context(), aureus.Commit{ID: "c"}, gateOf([]string{ids[1], ids[0], ids[1], ids[1], ids[0]}))
	require.True(t, result.Passed)
	require.Equal(t, 2, calls)
	require.Len(t, result.ValidationResults, 2)
}

// The steps of all validators of a gate are limited together. Validators that do not run
// have results too.
func TestValidate_StepsUsedUp_OthersAreToolErrors(t *testing.T) {
	t.Parallel()
	calls := 0
	r, ids := hostRegistry(t, 10, spending(registry.MaxGateSteps/4, &calls))
	for _, blocks := range []bool{true, false} {
		calls = 0
		config := gateOf(ids)
		config.BlockOnFailure = blocks
		result := r.Validate(t.Context(), aureus.Commit{ID: "c"}, config)
		require.False(t, result.Passed)
		require.Equal(t, blocks, result.BlockedCommit)
		require.Equal(t, 4, calls)
		require.Len(t, result.ValidationResults, len(ids))
		for i, one := range result.ValidationResults {
			require.Equal(t, i < 4, one.Valid)
			if !one.Valid {
				require.Equal(t, aureus.ToolError, one.FailureCode)
				require.Contains(t, one.Reason, fmt.Sprintf("%q was not run", ids[i]))
				require.Contains(t, one.Reason, "3000000 steps")
				require.NotEmpty(t, one.Remediation)
			}
		}
	}
	// The next gate has its own limit.
	require.True(t, r.Validate(t.Context(), aureus.Commit{ID: "c"}, gateOf(ids[:3])).Passed)
}

// Each validator costs steps in proportion to the size of the commit, because it reads
// the whole commit.
func TestValidate_LargeCommit_FewerValidatorsRun(t *testing.T) { // not parallel: its work must fit into MaxGateTime
	calls := 0
	r, ids := hostRegistry(t, registry.MaxGateLength, spending(0, &calls))
	require.True(t, r.Validate(t.Context(), aureus.Commit{ID: "c", Data: make([]any, 100)}, gateOf(ids)).Passed)
	require.Equal(t, len(ids), calls)
	for reason, commit := range map[string]aureus.Commit{
		"data":              {Data: make([]any, 240_000)},
		"previous state":    {PreviousState: map[string]any{"a": make([]any, 240_000)}},
		"metadata":          {Metadata: map[string]any{"a": make([]any, 240_000)}},
		"a text":            {Data: strings.Repeat("x", 4<<20)},
		"a name":            {Data: map[string]any{strings.Repeat("x", 4<<20): 1}},
		"a number's digits": {Data: json.Number(strings.Repeat("1", 4<<20))},
	} {
		calls = 0
		result := r.Validate(t.Context(), commit, gateOf(ids))
		require.True(t, result.BlockedCommit, reason)
		require.Equal(t, aureus.ToolError, result.FailureCode, reason)
		require.Len(t, result.ValidationResults, len(ids))
		require.Greater(t, calls, 50, reason)
		require.Less(t, calls, 250, reason)
	}
}

func TestValidate_TimeOver_OthersAreToolErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		r, ids := hostRegistry(t, 5, func(ctx context.Context, _ crvgate.Change[any], _ map[string]any) aureus.ValidationResult {
			calls++
			select { // a validator that observes its context
			case <-ctx.Done():
				return crvgate.Fail(aureus.ToolError, "interrupted: "+context.Cause(ctx).Error())
			case <-time.After(4 * time.Second):
				return crvgate.Pass()
			}
		})
		result := r.Validate(t.Context(), aureus.Commit{ID: "c"}, gateOf(ids))
		require.Equal(t, 3, calls)
		require.True(t, result.BlockedCommit)
		require.Len(t, result.ValidationResults, 5)
		require.True(t, result.ValidationResults[1].Valid)
		require.Contains(t, result.ValidationResults[2].Reason, "the time limit of the gate has passed")
		for _, one := range result.ValidationResults[3:] {
			require.Equal(t, aureus.ToolError, one.FailureCode)
			require.Contains(t, one.Reason, "10s together")
		}
	})
}

// The gate stops when the caller's context ends.
func TestValidate_CallersContextEnds_Stops(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	r, ids := hostRegistry(t, 5, func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
		calls++
		cancel()
		return crvgate.Pass()
	})
	config := gateOf(ids)
	config.BlockOnFailure = false
	result := r.Validate(ctx, aureus.Commit{ID: "c"}, config)
	require.Equal(t, 1, calls)
	require.True(t, result.BlockedCommit, "blocked even if the gate does not block")
}

// Results are short enough that a response can have a thousand of them.
func TestValidate_LargeResult_IsCut(t *testing.T) {
	t.Parallel()
	r, ids := hostRegistry(t, 1, func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
		result := crvgate.Fail(aureus.Conflict, strings.Repeat("é", 100_000))
		result.Remediation = strings.Repeat("é", 100_000)
		result.Metadata = map[string]any{"a": strings.Repeat("x", 100_000)}
		return result
	})
	_, err := r.Register(t.Context(), "bounds", []byte(`{"type":"statistical_bounds","parameters":{"field":"a","max":1}}`))
	require.NoError(t, err)
	data := map[string]any{"a": json.Number("9" + strings.Repeat("1", 100_000))}
	result := r.Validate(t.Context(), aureus.Commit{ID: "c", Data: data}, gateOf(append(ids, "bounds")))
	require.Len(t, result.ValidationResults, 2)
	for _, one := range result.ValidationResults {
		require.False(t, one.Valid)
		require.Less(t, len(one.Reason), 5000)
		require.Less(t, len(one.Remediation), 5000)
		require.Contains(t, one.Metadata["omitted"], "the limit is 32768 of both together")
		require.Len(t, one.Metadata, 1)
	}
	require.True(t, strings.HasSuffix(result.ValidationResults[0].Reason, "é…"), "cut between characters")
}

// All tests of a configuration share the limits of one gate. If those are exceeded, a
// test that wants "blocked" does not pass.
func TestRegister_TestsBeyondTheLimits_AreRefused(t *testing.T) { // not parallel: its work must fit into MaxGateTime
	calls := 0
	r := &registry.Registry{}
	r.Func("host", func(ctx context.Context, _ crvgate.Change[any], _ map[string]any) aureus.ValidationResult {
		calls++
		steps.From(ctx).Spend(registry.MaxGateSteps / 10)
		return crvgate.Fail(aureus.Conflict, "no")
	})
	config := func(tests int) []byte {
		one := `{"name":"t","commit":{"id":"c","data":1},"want":"blocked"},`
		return []byte(`{"type":"custom","validation_logic":"host","tests":[` + strings.TrimSuffix(strings.Repeat(one, tests), ",") + `]}`)
	}
	require.NoError(t, r.Check(t.Context(), "v", config(9)))
	calls = 0
	err := r.Check(t.Context(), "v", config(100))
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.ErrorContains(t, err, "/tests: the tests cost too much")
	require.Less(t, calls, 12)

	// Each test costs steps in proportion to the size of its commit.
	large := strings.Repeat("1,", 200_000) + "1"
	err = r.Check(t.Context(), "v", []byte(`{"type":"not_null","tests":[{"name":"t","commit":{"id":"c","data":[`+large+`]},"want":"passed"}]}`))
	require.NoError(t, err)
}

// A validator of a registry receives the previous state as free-form JSON, as from the
// API, even if the commit in Go has another type.
func TestValidate_PreviousState_IsFreeForm(t *testing.T) {
	t.Parallel()
	type state struct {
		Version int64   `json:"version"`
		Ratio   float64 `json:"ratio"`
	}
	var seen crvgate.Change[any]
	r, ids := hostRegistry(t, 1, func(_ context.Context, change crvgate.Change[any], _ map[string]any) aureus.ValidationResult {
		seen = change
		return crvgate.Pass()
	})
	want := map[string]any{"version": json.Number("9007199254740993"), "ratio": json.Number("0.5")}
	free := map[string]any{"version": json.Number("1")}
	for reason, commit := range map[string]aureus.Commit{
		"a Go value, free-form data": {Data: free, PreviousState: state{9007199254740993, 0.5}},
		"a pointer":                  {Data: free, PreviousState: &state{9007199254740993, 0.5}},
		"both are Go values":         {Data: state{1, 2}, PreviousState: state{9007199254740993, 0.5}},
		"a map of Go numbers":        {Data: free, PreviousState: map[string]any{"version": int64(9007199254740993), "ratio": 0.5}},
		"free form":                  {Data: free, PreviousState: want},
	} {
		require.True(t, r.Validate(t.Context(), commit, gateOf(ids)).Passed, reason)
		require.Equal(t, any(want), seen.Previous, reason)
		require.True(t, seen.HasPrevious, reason)
		require.IsType(t, map[string]any{}, seen.Data, reason)
	}
	for reason, commit := range map[string]aureus.Commit{
		"absent": {Data: free}, "null": {Data: free, PreviousState: nil}, "a nil pointer": {Data: free, PreviousState: (*state)(nil)},
		"a nil map": {Data: free, PreviousState: map[string]any(nil)},
	} {
		require.True(t, r.Validate(t.Context(), commit, gateOf(ids)).Passed, reason)
		require.Nil(t, seen.Previous, reason)
		require.Equal(t, reason == "a nil map", seen.HasPrevious, "a nil map becomes an empty object in JSON")
	}
	result := r.Validate(t.Context(), aureus.Commit{Data: free, PreviousState: func() {}}, gateOf(ids))
	require.Equal(t, aureus.Conflict, result.FailureCode, "a value without a JSON form")
	require.True(t, result.BlockedCommit)
}
