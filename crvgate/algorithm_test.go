package crvgate_test

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// randomResult returns a random result of a validator, with valid and invalid values.
func randomResult(r *rand.Rand) aureus.ValidationResult {
	result := aureus.ValidationResult{Valid: r.IntN(4) > 0}
	confidences := []*float64{nil, new(0.0), new(0.3), new(0.7), new(1.0), new(1.5), new(-0.1), new(math.NaN())}
	result.Confidence = confidences[r.IntN(len(confidences))]
	codes := append([]string{"", "", "NONSENSE"}, aureus.FailureTaxonomy("").Words()...)
	result.FailureCode = aureus.FailureTaxonomy(codes[r.IntN(len(codes))])
	if r.IntN(2) == 0 {
		result.Remediation = "do this"
	}
	return result
}

// TestValidate_RandomGates_FollowTheAlgorithm implements the algorithm of
// docs/spec/gates.md a second time, and compares the results for many gates.
func TestValidate_RandomGates_FollowTheAlgorithm(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2)) // the same gates at every run
	thresholds := []float64{0, 0.3, 0.5, 1}
	for range 5000 {
		given := make([]aureus.ValidationResult, r.IntN(7))
		validators := make([]crvgate.Validator[int], len(given))
		ran := []int{}
		panics := make([]bool, len(given))
		for i := range given {
			given[i], panics[i] = randomResult(r), r.IntN(10) == 0
			validators[i] = func(context.Context, crvgate.Change[int]) aureus.ValidationResult {
				ran = append(ran, i)
				if panics[i] {
					panic("boom")
				}
				return given[i]
			}
		}
		threshold, nonBlocking := thresholds[r.IntN(len(thresholds))], r.IntN(2) == 0
		gate := crvgate.New("g", validators...).RequireConfidence(threshold).Recover(aureus.AskUser{Prompt: "?"})
		if nonBlocking {
			gate = gate.NonBlocking()
		}
		result := gate.Validate(t.Context(), crvgate.Change[int]{})
		require.Equal(t, result.BlockedCommit, gate.Check(t.Context(), crvgate.Change[int]{}) != nil, "Check and Validate agree")
		ran = ran[:len(ran)/2]

		if len(given) == 0 {
			require.True(t, result.BlockedCommit)
			continue
		}
		require.Len(t, ran, len(given), "every validator runs")
		require.IsIncreasing(t, append([]int{-1}, ran...), "in order")
		require.Len(t, result.ValidationResults, len(given), "every result is kept")
		invalid, unsure := false, false
		var code aureus.FailureTaxonomy
		for i, g := range given {
			if panics[i] {
				g = aureus.ValidationResult{FailureCode: aureus.ToolError}
			}
			c := g.Confidence
			sane := c != nil && *c >= 0 && *c <= 1
			switch {
			case !g.Valid:
				invalid = true
				if code == "" && g.FailureCode.Valid() {
					code = g.FailureCode
				}
			case threshold > 0 && (!sane || *c < threshold):
				unsure = true
			}
			require.Equal(t, g.Valid, result.ValidationResults[i].Valid)
		}
		if unsure && !invalid {
			code = aureus.LowConfidence
		}
		passed := !invalid && !unsure
		require.Equal(t, passed, result.Passed)
		require.Equal(t, !passed && !nonBlocking, result.BlockedCommit)
		require.Equal(t, code, result.FailureCode)
		require.Equal(t, code != "", result.Remediation != "")
		require.Equal(t, !passed, result.RecoveryStrategy != nil)
		status := map[bool]string{true: vocab.CRVBlocked, false: vocab.CRVWarning}[!nonBlocking]
		if passed {
			status = vocab.CRVPassed
		}
		require.Equal(t, status, result.CRVStatus)
		text, err := strictjson.Marshal(result)
		require.NoError(t, err, "the result can be encoded as JSON")
		var back aureus.GateResult
		require.NoError(t, strictjson.Unmarshal(text, &back), "the JSON can be decoded as a GateResult")
	}
}
