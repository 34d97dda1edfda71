package wiregate_test

import (
	"context"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/wiregate"
)

// Other behaviour of the gate is tested in package crvgate/registry.

func nothing(string) crvgate.Validator[any] { return nil }

func passing(string) crvgate.Validator[any] {
	return func(context.Context, crvgate.Change[any]) aureus.ValidationResult { return crvgate.Pass() }
}

func TestValidate_NoValidators_Passes(t *testing.T) {
	t.Parallel()
	threshold := 1.0
	for reason, commit := range map[string]aureus.Commit{
		"JSON": {Data: json.Number("1")}, "a Go value": {Data: struct{ A int }{1}}, "no JSON form": {Data: make(chan int)},
	} {
		result := wiregate.Validate(t.Context(), commit, aureus.GateConfig{Name: "g", BlockOnFailure: true, RequiredConfidence: &threshold}, nothing)
		require.True(t, result.Passed, reason)
		require.Equal(t, []aureus.ValidationResult{}, result.ValidationResults, reason)
		require.Equal(t, "g", result.GateName)
		require.NotEmpty(t, result.Timestamp)
	}
}

func TestValidate_UnknownValidator_IsToolError(t *testing.T) {
	t.Parallel()
	result := wiregate.Validate(t.Context(), aureus.Commit{}, aureus.GateConfig{Validators: []string{"gone"}, BlockOnFailure: true}, nothing)
	require.True(t, result.BlockedCommit)
	require.True(t, result.Undecided())
	require.Contains(t, result.ValidationResults[0].Reason, `"gone"`)
	require.Nil(t, result.ValidationResults[0].Confidence)
}

func TestValidate_ImpossibleConfidence_IsNeverReached(t *testing.T) {
	t.Parallel()
	for _, threshold := range []float64{math.NaN(), math.Inf(1), 1.5, -0.5} {
		config := aureus.GateConfig{Validators: []string{"v"}, RequiredConfidence: &threshold}
		result := wiregate.Validate(t.Context(), aureus.Commit{}, config, passing)
		require.False(t, result.Passed, "%v", threshold)
		require.False(t, result.BlockedCommit, "%v", threshold)
		require.Equal(t, aureus.LowConfidence, result.FailureCode, "%v", threshold)
	}
}

func TestValidate_TooManyValidators_Blocks(t *testing.T) {
	t.Parallel()
	config := aureus.GateConfig{Validators: make([]string, wiregate.MaxValidators+1)}
	result := wiregate.Validate(t.Context(), aureus.Commit{}, config, passing)
	require.True(t, result.BlockedCommit, "a gate that does not block must block here too")
	require.Len(t, result.ValidationResults, 1)
	require.Contains(t, result.ValidationResults[0].Reason, "the limit is 1000")
}
