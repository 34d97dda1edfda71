package validators_test

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// resultFor returns the result of a validator for data and a previous state, both as JSON
// text. An empty text means that there is no previous state.
func resultFor(t *testing.T, rule crvgate.Validator[any], data, previous string) aureus.ValidationResult {
	t.Helper()
	value, err := strictjson.Parse([]byte(data))
	require.NoError(t, err)
	change := crvgate.Change[any]{Data: value}
	if previous != "" {
		change.Previous, err = strictjson.Parse([]byte(previous))
		require.NoError(t, err)
		change.HasPrevious = true
	}
	result := rule(t.Context(), change)
	require.NotEmpty(t, result.Reason)
	require.Equal(t, result.Valid, result.FailureCode == "")
	require.Equal(t, result.Valid, result.Remediation == "")
	require.NotNil(t, result.Confidence)
	return result
}

type ruleCase struct {
	name, data, previous string
	code                 aureus.FailureTaxonomy // empty: valid
	confidence           float64                // 0 means 1; see check
	metadata             string                 // JSON; empty: none; "-": not compared
}

func (c ruleCase) check(t *testing.T, rule crvgate.Validator[any]) {
	t.Helper()
	t.Run(c.name, func(t *testing.T) {
		result := resultFor(t, rule, c.data, c.previous)
		require.Equal(t, c.code, result.FailureCode, result.Reason)
		want := c.confidence
		if want == 0 {
			want = 1
		}
		if want < 0 {
			want = 0
		}
		require.InDelta(t, want, *result.Confidence, 0)
		switch c.metadata {
		case "-":
		case "":
			require.Nil(t, result.Metadata)
		default:
			text, err := strictjson.Marshal(result.Metadata)
			require.NoError(t, err)
			require.Equal(t, c.metadata, string(text), "names are sorted, and numbers have JavaScript's form")
			back, err := strictjson.Parse(text)
			require.NoError(t, err)
			require.Equal(t, back, any(result.Metadata), "metadata is free-form: encoding it as JSON does not change it")
		}
	})
}

func TestSchema_Data_HasTheExpectedResult(t *testing.T) {
	rule := validators.Schema(validators.Field{Name: "z", Type: "string"}, validators.Field{Name: "a", Type: "number"}, validators.Field{Name: "list", Type: "array"}, validators.Field{Name: "n", Type: "integer"}, validators.Field{Name: "o", Type: "object"}, validators.Field{Name: "b", Type: "boolean"})
	for _, c := range []ruleCase{
		{name: "as declared", data: `{"z":"","a":0.5,"list":[],"n":2.0,"o":{},"b":false,"more":1}`},
		{name: "an array is an object too", data: `{"z":"","a":0,"list":[],"n":-3e2,"o":[],"b":false}`},
		{name: "null is an object too", data: `{"z":"","a":0,"list":[],"n":0,"o":null,"b":true}`},
		{name: "a fraction is not an integer", data: `{"z":"","a":0,"list":[],"n":2.5,"o":null,"b":true}`, code: aureus.Conflict},
		{name: "an object is not an array", data: `{"z":"","a":0,"list":{},"n":2,"o":null,"b":true}`, code: aureus.Conflict},
		{name: "null is not an array", data: `{"z":"","a":0,"list":null,"n":2,"o":null,"b":true}`, code: aureus.Conflict},
		{name: "the first failure in declared order is a conflict", data: `{"z":1}`, code: aureus.Conflict},
		{name: "the first failure in declared order is an absence", data: `{"a":"x"}`, code: aureus.MissingData},
		{name: "null is not absent", data: `{"z":null}`, code: aureus.Conflict},
		{name: "null data is not an object", data: `null`, code: aureus.Conflict},
		{name: "a number is not an object", data: `1`, code: aureus.Conflict},
	} {
		c.check(t, rule)
	}
	ruleCase{name: "an array has a length", data: `[1]`}.check(t, validators.Schema(validators.Field{Name: "length", Type: "number"}, validators.Field{Name: "0", Type: "number"}))
	ruleCase{name: "an inherited name is not a field", data: `{}`, code: aureus.MissingData}.check(t, validators.Schema(validators.Field{Name: "toString", Type: "object"}))
}

func TestMonotonic_Versions_HaveTheExpectedResult(t *testing.T) {
	for _, c := range []ruleCase{
		{name: "no previous state", data: `{"version":1}`},
		{name: "a previous state of 0", data: `{"version":1}`, previous: `0`},
		{name: "a previous state of -0.0", data: `null`, previous: `-0.0`},
		{name: "an empty string as previous state", data: `{"version":1}`, previous: `""`},
		{name: "false as previous state", data: `{"version":1}`, previous: `false`},
		{name: "an empty object is a state", data: `{"version":1}`, previous: `{}`, confidence: 0.9},
		{name: "lower", data: `{"version":1}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "equal", data: `{"version":2}`, previous: `{"version":2.0}`, confidence: 0.9},
		{name: "zero is a version", data: `{"version":0}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "zero is lower than a small fraction", data: `{"version":-0.0}`, previous: `{"version":1e-400}`, code: aureus.Conflict},
		{name: "an increase from zero", data: `{"version":1}`, previous: `{"version":0}`, confidence: 0.9},
		{name: "a decrease from zero", data: `{"version":-1}`, previous: `{"version":0}`, code: aureus.Conflict},
		{name: "zero in both states", data: `{"version":0}`, previous: `{"version":0.0}`, confidence: 0.9},
		{name: "the string 0 and a number", data: `{"version":"0"}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "an empty string is less than every string", data: `{"version":""}`, previous: `{"version":"a"}`, code: aureus.Conflict},
		{name: "a blank string and a number", data: `{"version":" "}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "a text is higher than an empty one", data: `{"version":"a"}`, previous: `{"version":""}`, confidence: 0.9},
		{name: "false is zero", data: `{"version":false}`, previous: `{"version":true}`, code: aureus.Conflict},
		{name: "an object and zero have no order", data: `{"version":{}}`, previous: `{"version":0}`, code: aureus.Conflict},
		{name: "null counts as absent", data: `{"version":null}`, previous: `{"version":2}`, confidence: 0.9},
		{name: "null in the previous state counts as absent", data: `{"version":-2}`, previous: `{"version":null}`, confidence: 0.9},
		{name: "absent", data: `{}`, previous: `{"version":2}`, confidence: 0.9},
		{name: "lower beyond 2^53", data: `{"version":9007199254740992}`, previous: `{"version":9007199254740993}`, code: aureus.Conflict},
		{name: "two strings are compared as text", data: `{"version":"10"}`, previous: `{"version":"9"}`, code: aureus.Conflict},
		{name: "a numeric string and a number", data: `{"version":" 1 "}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "another string and a number", data: `{"version":"v1"}`, previous: `{"version":2}`, confidence: 0.9},
		{name: "true is 1", data: `{"version":true}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "an object has no order", data: `{"version":{}}`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "an array has no order", data: `{"version":1}`, previous: `{"version":[2]}`, code: aureus.Conflict},
		{name: "null data", data: `null`, previous: `{"version":2}`, code: aureus.Conflict},
		{name: "a string as previous state", data: `{"version":1}`, previous: `"x"`, confidence: 0.9},
	} {
		c.check(t, validators.Monotonic())
	}
}

func TestStatisticalBounds_Value_HasTheExpectedResult(t *testing.T) {
	limits := validators.StatisticalBounds("x", validators.Bounds{Min: new(-1.5), Max: new(10.0)})
	for _, c := range []ruleCase{
		{name: "at the minimum", data: `{"x":-1.5}`, metadata: `{"bounds":{"max":10,"min":-1.5},"field":"x","value":-1.5}`},
		{name: "below", data: `{"x":-1.51}`, code: aureus.OutOfScope, metadata: `{"bounds":{"max":10,"min":-1.5},"field":"x","value":-1.51,"violation":"min"}`},
		{name: "just above the maximum", data: `{"x":10.000000000000000001}`, code: aureus.OutOfScope, metadata: `{"bounds":{"max":10,"min":-1.5},"field":"x","value":10.000000000000000001,"violation":"max"}`},
		{name: "beyond all doubles", data: `{"x":1e400}`, code: aureus.OutOfScope, metadata: "-"},
		{name: "a string is not a number", data: `{"x":"5"}`, code: aureus.Conflict, metadata: `{"bounds":{"max":10,"min":-1.5},"field":"x","value":"5"}`},
		{name: "not an object", data: `[]`, code: aureus.MissingData, metadata: `{"bounds":{"max":10,"min":-1.5},"field":"x"}`},
		{name: "null", data: `null`, code: aureus.Conflict},
	} {
		c.check(t, limits)
	}
	constant := validators.StatisticalBounds("x", validators.Bounds{Mean: new(0.1), Stddev: new(0.0)})
	for _, c := range []ruleCase{
		{name: "equal to the mean, stddev 0", data: `{"x":0.10}`, metadata: `{"bounds":{"mean":0.1,"stddev":0},"field":"x","value":0.10,"zScore":0}`},
		{name: "not equal to the mean, stddev 0", data: `{"x":0.11}`, code: aureus.OutOfScope, metadata: `{"bounds":{"mean":0.1,"stddev":0},"field":"x","value":0.11,"zScore":0}`},
	} {
		c.check(t, constant)
	}
	ruleCase{name: "a mean without stddev is not a limit", data: `{"x":5}`, metadata: `{"bounds":{"mean":1},"field":"x","value":5}`}.
		check(t, validators.StatisticalBounds("x", validators.Bounds{Mean: new(1.0)}))
	ruleCase{name: "infinitely far from the mean", data: `{"x":1e400}`, code: aureus.OutOfScope, confidence: -1, metadata: `{"bounds":{"mean":1,"stddev":1},"field":"x","lowerBound":-2,"upperBound":4,"value":1e400}`}.
		check(t, validators.StatisticalBounds("x", validators.Bounds{Mean: new(1.0), Stddev: new(1.0)}))
	ruleCase{name: "beyond 2^53, exactly", data: `{"x":9007199254740993}`, code: aureus.OutOfScope, metadata: "-"}.
		check(t, validators.StatisticalBounds("x", validators.Bounds{Max: new(9007199254740992.0)}))
}

func TestAnomalyDetection_Value_HasTheExpectedResult(t *testing.T) {
	for _, c := range []ruleCase{
		{name: "one earlier value", data: `{"x":99}`, confidence: 0.5, metadata: `{"field":"x","historicalDataSize":1,"value":99}`},
	} {
		c.check(t, validators.AnomalyDetection("x", []float64{1}, 3))
	}
	ruleCase{name: "not equal to constant history", data: `{"x":6}`, code: aureus.OutOfScope, metadata: `{"field":"x","mean":5,"stddev":0,"value":6,"zScore":0}`}.
		check(t, validators.AnomalyDetection("x", []float64{5, 5, 5}, 3))
	usual := validators.AnomalyDetection("x", []float64{0, 2}, 1)
	ruleCase{name: "the mean itself", data: `{"x":1}`, metadata: `{"field":"x","historicalDataSize":2,"mean":1,"stddev":1.4142135623730951,"threshold":1,"value":1,"zScore":0}`}.check(t, usual)
	ruleCase{name: "missing", data: `{}`, code: aureus.MissingData, metadata: `{"field":"x"}`}.check(t, usual)
	ruleCase{name: "beyond all doubles", data: `{"x":1e999}`, code: aureus.OutOfScope, confidence: -1, metadata: "-"}.check(t, usual)
	ruleCase{name: "a threshold of zero, at the mean", data: `{"x":1}`, metadata: "-"}.check(t, validators.AnomalyDetection("x", []float64{0, 2}, 0))
	ruleCase{name: "a threshold of zero, not at the mean", data: `{"x":2}`, code: aureus.OutOfScope, confidence: -1, metadata: "-"}.check(t, validators.AnomalyDetection("x", []float64{0, 2}, 0))
	for name, history := range map[string][]float64{"NaN": {1, math.NaN()}, "an infinity": {1, math.Inf(1)}, "an overflow": {math.MaxFloat64, math.MaxFloat64}} {
		ruleCase{name: "a history with " + name, data: `{"x":1}`, code: aureus.ToolError, metadata: `{"field":"x","value":1}`}.
			check(t, validators.AnomalyDetection("x", history, 3))
	}
	history := []float64{0, 2}
	rule := validators.AnomalyDetection("x", history, 1)
	history[0] = 1e6
	ruleCase{name: "the validator has its own copy of the history", data: `{"x":1}`, metadata: "-"}.check(t, rule)
}

func TestCrossFieldConsistency_Rules_HaveTheExpectedResult(t *testing.T) {
	holds := func(result bool, err error) func(context.Context, map[string]any) (bool, error) {
		return func(_ context.Context, values map[string]any) (bool, error) { clear(values); return result, err }
	}
	panics := func(value any) func(context.Context, map[string]any) (bool, error) {
		return func(context.Context, map[string]any) (bool, error) { panic(value) }
	}
	fine := validators.CrossFieldRule{Name: "fine", Fields: []string{"a", "b"}, Holds: holds(true, nil)}
	for _, c := range []struct {
		ruleCase
		rule validators.CrossFieldRule
	}{
		{ruleCase{name: "holds", data: `{"a":1,"b":null}`, metadata: `{"rulesChecked":2}`}, fine},
		{
			ruleCase{name: "does not hold", data: `{"a":1,"b":2,"c":3}`, code: aureus.Conflict, metadata: `{"fields":["a","b"],"rule":"r","values":{"a":1,"b":2}}`},
			validators.CrossFieldRule{Name: "r", Fields: []string{"a", "b"}, Holds: holds(false, nil)},
		},
		{
			ruleCase{name: "an error", data: `{"a":1,"b":2}`, code: aureus.ToolError, confidence: 0.5, metadata: `{"error":"Error: boom","fields":["a"],"rule":"r"}`},
			validators.CrossFieldRule{Name: "r", Fields: []string{"a"}, Holds: holds(true, errors.New("boom"))},
		},
		{
			ruleCase{name: "a panic", data: `{"a":1,"b":2}`, code: aureus.ToolError, confidence: 0.5, metadata: `{"error":"Error: boom","fields":["a"],"rule":"r"}`},
			validators.CrossFieldRule{Name: "r", Fields: []string{"a"}, Holds: panics("boom")},
		},
		{
			ruleCase{name: "a panic with an error", data: `{"a":1,"b":2}`, code: aureus.ToolError, confidence: 0.5, metadata: `{"error":"Error: boom","fields":["a"],"rule":"r"}`},
			validators.CrossFieldRule{Name: "r", Fields: []string{"a"}, Holds: panics(errors.New("boom"))},
		},
		{
			ruleCase{name: "a panic with another value", data: `{"a":1,"b":2}`, code: aureus.ToolError, confidence: 0.5, metadata: "-"},
			validators.CrossFieldRule{Name: "r", Fields: []string{"a"}, Holds: panics(7)},
		},
		{
			ruleCase{name: "absent in any rule", data: `{"b":2}`, code: aureus.MissingData, metadata: `{"missingFields":["a","z"]}`},
			validators.CrossFieldRule{Name: "r", Fields: []string{"b", "z", "a"}, Holds: panics("must not be called")},
		},
	} {
		c.check(t, validators.CrossFieldConsistency(fine, c.rule))
	}
	result := resultFor(t, validators.CrossFieldConsistency(validators.CrossFieldRule{Name: "r", Message: "start comes after end", Holds: holds(false, nil)}), `{}`, "")
	require.Equal(t, "start comes after end", result.Reason)
	require.Equal(t, aureus.Conflict, validators.CrossFieldConsistency()(t.Context(), crvgate.Change[any]{Data: func() {}}).FailureCode)
}

func TestTemporalMonotonic_States_HaveTheExpectedResult(t *testing.T) {
	usual := validators.TemporalMonotonic(validators.TemporalOptions{})
	for _, c := range []ruleCase{
		{name: "first", data: `null`, metadata: `{"isFirstCommit":true}`},
		{name: "zero as previous state", data: `5`, previous: `0`, metadata: `{"isFirstCommit":true}`},
		{name: "a string as previous state", data: `{}`, previous: `"x"`, code: aureus.Conflict},
		{name: "null data", data: `null`, previous: `{}`, code: aureus.Conflict},
		{name: "arrays are objects", data: `[]`, previous: `[]`, confidence: 0.95, metadata: `{}`},
		{name: "forward beyond 2^53", data: `{"version":9007199254740993}`, previous: `{"version":9007199254740992}`, confidence: 0.95, metadata: `{"currVersion":9007199254740993,"prevVersion":9007199254740992}`},
		{name: "nanoseconds forward by one", data: `{"timestamp":1704067200000000001}`, previous: `{"timestamp":1704067200000000000}`, confidence: 0.95, metadata: `{"currTimestamp":1704067200000000001,"prevTimestamp":1704067200000000000,"timeDiff":0}`},
		{name: "equal in another spelling", data: `{"version":2.0}`, previous: `{"version":2}`, code: aureus.Conflict, metadata: `{"currVersion":2.0,"prevVersion":2}`},
		{name: "a time without a zone is UTC", data: `{"timestamp":"2024-01-01T00:00:00"}`, previous: `{"timestamp":"2024-01-01T00:00:00Z"}`, code: aureus.Conflict, metadata: `{"currTimestamp":1704067200000,"prevTimestamp":1704067200000,"timeDiff":0}`},
		{name: "text and number", data: `{"timestamp":"2024-01-01"}`, previous: `{"timestamp":1704067199999}`, confidence: 0.95, metadata: `{"currTimestamp":1704067200000,"prevTimestamp":1704067199999,"timeDiff":1}`},
		{name: "an invalid time is not compared", data: `{"timestamp":"t","version":null}`, previous: `{"timestamp":1,"version":1}`, confidence: 0.95, metadata: `{}`},
	} {
		c.check(t, usual)
	}
	drift := validators.TemporalMonotonic(validators.TemporalOptions{MaxDrift: new(time.Second), AllowEqual: true})
	for _, c := range []ruleCase{
		{name: "at the drift limit", data: `{"timestamp":1000}`, previous: `{"timestamp":0}`, confidence: 0.95, metadata: "-"},
		{name: "beyond the drift limit", data: `{"timestamp":1001}`, previous: `{"timestamp":0}`, code: aureus.NonDeterminism, confidence: 0.8, metadata: `{"currTimestamp":1001,"drift":1001,"maxTimeDrift":1000,"prevTimestamp":0,"timeDiff":1001}`},
		{name: "beyond the drift limit, and the version decreases", data: `{"timestamp":1001,"version":1}`, previous: `{"timestamp":0,"version":2}`, code: aureus.Conflict, metadata: `{"currTimestamp":1001,"currVersion":1,"drift":1001,"maxTimeDrift":1000,"prevTimestamp":0,"prevVersion":2,"timeDiff":1001}`},
		{name: "an earlier time is not drift", data: `{"timestamp":0}`, previous: `{"timestamp":5000}`, code: aureus.Conflict, metadata: "-"},
		{name: "equal is allowed", data: `{"timestamp":5,"version":1}`, previous: `{"timestamp":5,"version":1}`, confidence: 0.95, metadata: "-"},
	} {
		c.check(t, drift)
	}
	ruleCase{name: "a drift limit of zero", data: `{"timestamp":1}`, previous: `{"timestamp":0}`, code: aureus.NonDeterminism, confidence: 0.8, metadata: "-"}.
		check(t, validators.TemporalMonotonic(validators.TemporalOptions{MaxDrift: new(time.Duration(0))}))
}

func TestMemoryValidators_Data_HasTheExpectedResult(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(10_000) }
	retention := validators.MemoryRetention(validators.Retention{Max: time.Second, Now: now, TimestampField: "at"})
	for _, c := range []ruleCase{
		{name: "at the maximum age", data: `{"at":9000}`, metadata: `{"age":1000,"maxRetentionMs":1000}`},
		{name: "too old by a fraction", data: `{"at":8999.5}`, code: aureus.PolicyViolation, metadata: `{"age":1000.5,"maxRetentionMs":1000,"timestamp":8999.5}`},
		{name: "text", data: `{"at":"1970-01-01T00:00:05Z"}`, code: aureus.PolicyViolation, metadata: `{"age":5000,"maxRetentionMs":1000,"timestamp":5000}`},
		{name: "missing", data: `{"timestamp":1}`, code: aureus.MissingData},
		{name: "null", data: `{"at":null}`, code: aureus.Conflict},
		{name: "not a date", data: `{"at":"soon"}`, code: aureus.Conflict},
		{name: "a number beyond doubles", data: `{"at":1e400}`, code: aureus.Conflict},
		{name: "not an object", data: `7`, code: aureus.Conflict},
	} {
		c.check(t, retention)
	}
	compression := validators.MemoryCompression(10, "packed")
	for _, c := range []ruleCase{
		{name: "small", data: `{"a":"xx"}`, metadata: `{"dataSize":10,"sizeThresholdBytes":10}`},
		{name: "a string marks the data as compressed", data: `{"packed":"gzip"}`, metadata: `{"dataSize":17,"sizeThresholdBytes":10}`},
		{name: "an empty string is not a mark", data: `{"packed":"","a":0}`, code: aureus.PolicyViolation, metadata: `{"dataSize":19,"sizeThresholdBytes":10}`},
		{name: "the string false is not a mark", data: `{"packed":" False ","a":0}`, code: aureus.PolicyViolation, metadata: "-"},
		{name: "an empty object is not a mark", data: `{"packed":{},"a":0}`, code: aureus.PolicyViolation, metadata: "-"},
		{name: "a large array", data: `[1,2,3,4,5,6]`, code: aureus.PolicyViolation, metadata: "-"},
	} {
		c.check(t, compression)
	}
	for _, c := range []ruleCase{
		{name: "restricted", data: `{"dataClassification":"restricted"}`, code: aureus.PolicyViolation, metadata: `{"classification":"restricted"}`},
		{name: "confidential and encrypted", data: `{"dataClassification":"confidential","encrypted":1}`, metadata: `{"classification":"confidential"}`},
		{name: "confidential and not encrypted", data: `{"dataClassification":"confidential","encrypted":0}`, code: aureus.PolicyViolation, metadata: `{"classification":"confidential"}`},
		{name: "confidential, encrypted is the string false", data: `{"dataClassification":"confidential","encrypted":"false"}`, code: aureus.PolicyViolation, metadata: `{"classification":"confidential"}`},
		{name: "confidential, encrypted is an empty list", data: `{"dataClassification":"confidential","encrypted":[]}`, code: aureus.PolicyViolation, metadata: `{"classification":"confidential"}`},
		{name: "confidential, encrypted names a cipher", data: `{"dataClassification":"confidential","encrypted":"AES-256"}`, metadata: `{"classification":"confidential"}`},
		{name: "no classification", data: `{}`, metadata: `{}`},
		{name: "a number is not a classification", data: `{"dataClassification":5}`, metadata: `{"classification":5}`},
	} {
		c.check(t, validators.MemoryEncryption())
	}
	for _, c := range []ruleCase{
		{name: "met", data: `{"complianceStandards":["SOC2",{},"GDPR"]}`, metadata: `{"providedStandards":["SOC2",{},"GDPR"],"requiredStandards":["GDPR","SOC2"]}`},
		{name: "not a list", data: `{"complianceStandards":"GDPR"}`, code: aureus.MissingData, metadata: `{"requiredStandards":["GDPR","SOC2"]}`},
		{name: "absent", data: `{}`, code: aureus.MissingData, metadata: `{"requiredStandards":["GDPR","SOC2"]}`},
		{name: "none met", data: `{"complianceStandards":[]}`, code: aureus.PolicyViolation, metadata: `{"missingStandards":["GDPR","SOC2"],"providedStandards":[],"requiredStandards":["GDPR","SOC2"]}`},
	} {
		c.check(t, validators.ComplianceStandards("GDPR", "SOC2"))
	}
	ruleCase{name: "none required", data: `null`}.check(t, validators.ComplianceStandards())

	policy := validators.MemoryPolicy(retention, validators.MemoryEncryption(), validators.ComplianceStandards())
	ruleCase{name: "all met", data: `{"at":9500}`, metadata: `{"checksPerformed":3}`}.check(t, policy)
	ruleCase{name: "the first failure gives the code", data: `{"dataClassification":"sensitive"}`, code: aureus.MissingData, metadata: "-"}.check(t, policy)
	unsure := func(context.Context, crvgate.Change[any]) aureus.ValidationResult {
		result := crvgate.Fail(aureus.LowConfidence, "unsure")
		result.Confidence = new(0.4)
		return result
	}
	breaks := func(context.Context, crvgate.Change[any]) aureus.ValidationResult { panic("boom") }
	result := resultFor(t, validators.MemoryPolicy(breaks, unsure), `{}`, "")
	require.Equal(t, aureus.ToolError, result.FailureCode)
	require.InDelta(t, 0.4, *result.Confidence, 0)
	require.Contains(t, result.Remediation, aureus.LowConfidence.Remediation())
}

func TestAccountValidators_States_HaveTheExpectedResult(t *testing.T) {
	for _, c := range []ruleCase{
		{name: "an object", data: `{"a":1}`},
		{name: "keeps keys and kinds", data: `{"a":2.5,"b":[],"new":{}}`, previous: `{"a":1,"b":[1]}`},
		{name: "a key is absent", data: `{"b":1}`, previous: `{"a":1,"b":1}`, code: aureus.MissingData},
		{name: "a kind has changed", data: `{"a":"1"}`, previous: `{"a":1}`, code: aureus.Conflict},
		{name: "an object became an array", data: `{"a":[]}`, previous: `{"a":{}}`, code: aureus.Conflict},
		{name: "a value became null", data: `{"a":null}`, previous: `{"a":1}`, code: aureus.Conflict},
		{name: "a previous state that is not an object", data: `{"a":null}`, previous: `[1]`},
		{name: "an array", data: `[]`, code: aureus.Conflict},
		{name: "null", data: `null`, code: aureus.Conflict},
	} {
		c.check(t, validators.SchemaCheck())
	}
	for _, c := range []ruleCase{
		{name: "positive", data: `{"balance":0.01}`, metadata: `{"field":"balance","value":0.01}`},
		{name: "positive, but below all doubles", data: `{"balance":1e-400}`, metadata: "-"},
		{name: "zero", data: `{"balance":0.00}`, code: aureus.OutOfScope, metadata: "-"},
		{name: "negative", data: `{"balance":-5}`, code: aureus.OutOfScope, metadata: "-"},
		{name: "text", data: `{"balance":"5"}`, code: aureus.Conflict, metadata: "-"},
		{name: "missing", data: `{}`, code: aureus.MissingData, metadata: "-"},
		{name: "not an object", data: `5`, code: aureus.Conflict},
	} {
		c.check(t, validators.BalancePositive())
	}
}

func TestCustom_Results_HaveReasonAndCode(t *testing.T) {
	t.Parallel()
	positive := func(_ context.Context, c crvgate.Change[int]) (bool, error) { return c.Data > 0, nil }
	rule := validators.Custom("a positive number", positive, "", "")
	result := rule(t.Context(), crvgate.Change[int]{Data: -1})
	require.Equal(t, aureus.PolicyViolation, result.FailureCode)
	require.Equal(t, aureus.PolicyViolation.Remediation(), result.Remediation)
	require.Equal(t, "a positive number does not hold", result.Reason)
	require.Equal(t, "a positive number holds", rule(t.Context(), crvgate.Change[int]{Data: 1}).Reason)

	rule = validators.Custom("n", positive, "a fixed reason", aureus.OutOfScope)
	require.Equal(t, "a fixed reason", rule(t.Context(), crvgate.Change[int]{Data: 1}).Reason)
	result = rule(t.Context(), crvgate.Change[int]{Data: -1})
	require.Equal(t, aureus.OutOfScope, result.FailureCode)
	require.Equal(t, "a fixed reason", result.Reason)

	failing := validators.Custom("n", func(context.Context, crvgate.Change[int]) (bool, error) { return true, errors.New("no database") }, "", "")
	result = failing(t.Context(), crvgate.Change[int]{})
	require.False(t, result.Valid)
	require.Equal(t, aureus.ToolError, result.FailureCode)
}

func TestValidators_GoValues_AreConverted(t *testing.T) {
	t.Parallel()
	change := crvgate.Change[any]{
		Data: map[string]any{"balance": 12, "tags": []string{"a"}},
		Previous: struct {
			Balance int `json:"balance"`
		}{3}, HasPrevious: true,
	}
	require.True(t, validators.BalancePositive()(t.Context(), change).Valid)
	require.True(t, validators.SchemaCheck()(t.Context(), change).Valid)
	require.True(t, validators.MaxSize(27)(t.Context(), change).Valid)
	require.False(t, validators.MaxSize(26)(t.Context(), change).Valid)
}

func TestConstructors_InvalidArguments_Panic(t *testing.T) {
	for name, mistake := range map[string]func(){
		"no function": func() { validators.Custom[int]("c", nil, "", "") },
		"an unknown code": func() {
			validators.Custom("c", func(context.Context, crvgate.Change[int]) (bool, error) { return true, nil }, "", "NO")
		},
		"an unknown type of field":  func() { validators.Schema(validators.Field{Name: "a", Type: "text"}) },
		"a rule without a function": func() { validators.CrossFieldConsistency(validators.CrossFieldRule{Name: "r"}) },
		"a bound that is NaN":       func() { validators.StatisticalBounds("x", validators.Bounds{Min: new(math.NaN())}) },
		"a negative deviation":      func() { validators.StatisticalBounds("x", validators.Bounds{Stddev: new(-1.0)}) },
		"a negative tolerance":      func() { validators.StatisticalBounds("x", validators.Bounds{Tolerance: new(-1.0)}) },
		"a negative threshold":      func() { validators.AnomalyDetection("x", nil, -1) },
		"a negative drift":          func() { validators.TemporalMonotonic(validators.TemporalOptions{MaxDrift: new(-time.Second)}) },
		"a negative retention":      func() { validators.MemoryRetention(validators.Retention{Max: -1}) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, mistake) })
	}
}
