package validators_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// allRules returns all validators of the package, with parameters that reach their
// branches.
func allRules() map[string]crvgate.Validator[any] {
	return map[string]crvgate.Validator[any]{
		"not_null":    validators.NotNull(),
		"schema":      validators.Schema(validators.Field{Name: "a", Type: "integer"}, validators.Field{Name: "b", Type: "array"}),
		"monotonic":   validators.Monotonic(),
		"max_size":    validators.MaxSize(20),
		"bounds":      validators.StatisticalBounds("a", validators.Bounds{Min: new(-1e300), Mean: new(1.0), Stddev: new(2.0)}),
		"anomaly":     validators.AnomalyDetection("a", []float64{1, 2, 4}, 2),
		"cross_field": validators.CrossFieldConsistency(validators.CrossFieldRule{Name: "r", Fields: []string{"a", "b"}, Holds: func(_ context.Context, v map[string]any) (bool, error) { return v["a"] != nil, nil }}),
		"temporal":    validators.TemporalMonotonic(validators.TemporalOptions{TimestampField: "a", VersionField: "version", MaxDrift: new(shortWhile)}),
		"retention":   validators.MemoryRetention(validators.Retention{Max: shortWhile, TimestampField: "a"}),
		"compression": validators.MemoryCompression(20, ""),
		"encryption":  validators.MemoryEncryption(),
		"standards":   validators.ComplianceStandards("a"),
		"policy":      validators.MemoryPolicy(validators.MemoryEncryption(), validators.ComplianceStandards("a"), validators.MemoryCompression(5, "b")),
		"schema_keep": validators.SchemaCheck(),
		"balance":     validators.BalancePositive(),
	}
}

const shortWhile = 5 * time.Millisecond

func FuzzValidators(f *testing.F) {
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
			result := rule(t.Context(), change) // a panic fails the test: each validator checks its own input
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
		require.Equal(t, unchanged, data, "no validator modifies the data")
	})
}
