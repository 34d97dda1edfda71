package crvgate_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// randomResult is any result that a validator could give, sensible or not.
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

// TestAlgorithm states the gate algorithm of SPEC 4.1 with C1 to C7 a second
// time, and compares for many gates.
func TestAlgorithm(t *testing.T) {
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
		require.Len(t, result.ValidationResults, len(given), "every finding is kept")
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
		status := map[bool]string{true: aureus.CRVBlocked, false: aureus.CRVWarning}[!nonBlocking]
		if passed {
			status = aureus.CRVPassed
		}
		require.Equal(t, status, result.CRVStatus)
		text, err := strictjson.Marshal(result)
		require.NoError(t, err, "it has a JSON form")
		var back aureus.GateResult
		require.NoError(t, strictjson.Unmarshal(text, &back), "which reads back with all its constraints")
	}
}

// allRules are the validators that need no rule language, with parameters under
// which their branches are reached.
func allRules() map[string]crvgate.Validator[any] {
	return map[string]crvgate.Validator[any]{
		"not_null":    crvgate.NotNull(),
		"schema":      crvgate.Schema(crvgate.Field{Name: "a", Type: "integer"}, crvgate.Field{Name: "b", Type: "array"}),
		"monotonic":   crvgate.Monotonic(),
		"max_size":    crvgate.MaxSize(20),
		"bounds":      crvgate.StatisticalBounds("a", crvgate.Bounds{Min: new(-1e300), Mean: new(1.0), Stddev: new(2.0)}),
		"anomaly":     crvgate.AnomalyDetection("a", []float64{1, 2, 4}, 2),
		"cross_field": crvgate.CrossFieldConsistency(crvgate.CrossFieldRule{Name: "r", Fields: []string{"a", "b"}, Holds: func(_ context.Context, v map[string]any) (bool, error) { return v["a"] != nil, nil }}),
		"temporal":    crvgate.TemporalMonotonic(crvgate.TemporalOptions{TimestampField: "a", VersionField: "version", MaxDrift: new(shortWhile)}),
		"retention":   crvgate.MemoryRetention(crvgate.Retention{Max: shortWhile, TimestampField: "a"}),
		"compression": crvgate.MemoryCompression(20, ""),
		"encryption":  crvgate.MemoryEncryption(),
		"standards":   crvgate.ComplianceStandards("a"),
		"policy":      crvgate.MemoryPolicy(crvgate.MemoryEncryption(), crvgate.ComplianceStandards("a"), crvgate.MemoryCompression(5, "b")),
		"schema_keep": crvgate.SchemaCheck(),
		"balance":     crvgate.BalancePositive(),
	}
}

const shortWhile = 5 * time.Millisecond

func FuzzRules(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"a":1,"b":[],"version":2,"balance":1e400}`, `{"a":0.5,"version":"2"}`},
		{`{"a":"2024-01-01","dataClassification":"restricted","complianceStandards":["a"]}`, `[]`},
		{`null`, `0`},
		{`[[1e-400]]`, `"x"`},
		{`{"a":-0,"version":{},"b":{"version":[]}}`, `{"version":true,"a":1e999999999}`},
		{`{"a":99999999999999999999999999,"balance":"x"}`, `null`},
	} {
		f.Add(seed[0], seed[1])
	}
	rules := allRules()
	f.Fuzz(func(t *testing.T, dataText, previousText string) {
		data, err := strictjson.Parse([]byte(dataText))
		if err != nil {
			return
		}
		previous, err := strictjson.Parse([]byte(previousText))
		if err != nil {
			return
		}
		for name, rule := range rules {
			change := crvgate.Change[any]{Data: data, Previous: previous, HasPrevious: previous != nil}
			result := rule(t.Context(), change) // a panic fails the test: each rule checks its own input (SPEC C3)
			require.Equal(t, result.Valid, result.FailureCode == "", name)
			require.Equal(t, result.Valid, result.Remediation == "", name)
			require.NotEmpty(t, result.Reason, name)
			require.NotNil(t, result.Confidence, name)
			require.True(t, *result.Confidence >= 0 && *result.Confidence <= 1, name)
			text, err := strictjson.Marshal(result.Metadata)
			require.NoError(t, err, name)
			back, err := strictjson.Parse(text)
			require.NoError(t, err, name)
			if result.Metadata != nil {
				require.Equal(t, back, any(result.Metadata), name)
			}
		}
		unchanged, err := strictjson.Parse([]byte(dataText))
		require.NoError(t, err)
		require.Equal(t, unchanged, data, "no rule modifies what it judges")
	})
}

func FuzzRegister(f *testing.F) {
	for _, seed := range []string{
		`{"type":"schema","parameters":{"fields":{"a":"string"}}}`,
		`{"type":"statistical_bounds","parameters":{"field":"x","min":-1,"max":1e5,"mean":0.1,"stddev":0,"tolerance":2}}`,
		`{"type":"anomaly_detection","parameters":{"field":"x","history":[1,2],"threshold":0}}`,
		`{"type":"temporal_monotonic","parameters":{"maxTimeDrift":1e300}}`,
		`{"type":"memory_policy","parameters":{"threshold":9007199254740993,"require_compression":true}}`,
		`{"type":"custom","validation_logic":"x","parameters":{"min_x":1,"max_x":1e999}}`,
		`{"type":"max_size","parameters":{"max":1e308},"tests":[{"name":"","commit":{"id":"","data":null},"want":"passed"}]}`,
		`{"type":"compliance_standards","parameters":{"required":[""]}}`,
	} {
		f.Add([]byte(seed), `{"x":1}`)
	}
	f.Fuzz(func(t *testing.T, config []byte, dataText string) {
		var registry crvgate.Registry
		_, err := registry.Register(t.Context(), "v", config)
		if err != nil {
			require.ErrorIs(t, err, aureus.ErrInvalid)
			require.False(t, validate(t, &registry, nil, "v").Passed)
			return
		}
		require.True(t, json.Valid(config))
		data, err := strictjson.Parse([]byte(dataText))
		if err != nil {
			return
		}
		result := validate(t, &registry, data, "v")
		require.Len(t, result.ValidationResults, 1)
		_, err = strictjson.Marshal(result)
		require.NoError(t, err)
		require.NotContains(t, result.ValidationResults[0].Reason, "panicked")
	})
}
