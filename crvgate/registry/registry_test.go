package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func validate(t *testing.T, r *registry.Registry, data any, ids ...string) aureus.GateResult {
	t.Helper()
	return r.Validate(t.Context(), aureus.Commit{ID: "c", Data: data}, aureus.GateConfig{Name: "g", Validators: ids, BlockOnFailure: true})
}

// The gate of the published guide uses validators that the guide never registers.
func TestValidate_GateOfThePublishedGuide_PassesAndBlocks(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	commit := aureus.Commit{
		ID:            "commit-1",
		Data:          map[string]any{"balance": json.Number("1000"), "currency": "USD"},
		PreviousState: map[string]any{"balance": json.Number("500"), "currency": "USD"},
	}
	config := aureus.GateConfig{
		Name: "data-quality-gate", Validators: []string{"not_null", "schema_check", "balance_positive"},
		BlockOnFailure: true, RequiredConfidence: new(0.8),
	}
	result := r.Validate(t.Context(), commit, config)
	require.True(t, result.Passed, "%+v", result)
	commit.Data = map[string]any{"balance": json.Number("-1"), "currency": "USD"}
	result = r.Validate(t.Context(), commit, config)
	require.Equal(t, vocab.CRVBlocked, result.CRVStatus)
	require.Equal(t, aureus.OutOfScope, result.FailureCode)
}

func TestRegister_BuiltInID_IsConflict(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	for _, id := range []string{"not_null", "monotonic", "temporal_monotonic", "memory_encryption", "memory_policy", "schema_check", "balance_positive"} {
		result := validate(t, &r, map[string]any{"balance": json.Number("1")}, id)
		require.True(t, result.Passed, "%s: %+v", id, result)
		_, err := r.Register(t.Context(), id, []byte(`{"type":"not_null"}`))
		require.ErrorIs(t, err, aureus.ErrConflict, "built-ins cannot be replaced")
		require.ErrorContains(t, err, id)
		require.ErrorIs(t, r.Check(t.Context(), id, []byte(`{"type":"not_null"}`)), aureus.ErrConflict)
		_, err = r.Compile(id, []byte(`{"type":"not_null"}`))
		require.ErrorIs(t, err, aureus.ErrConflict)
	}
}

func TestValidate_SpecialConfigurations_HaveTheDocumentedResults(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	result := validate(t, &r, nil)
	require.True(t, result.Passed, "an empty list passes")
	require.NotNil(t, result.ValidationResults)

	result = validate(t, &r, "x", "not_null", "nobody", "not_null")
	require.True(t, result.BlockedCommit)
	require.Len(t, result.ValidationResults, 2, "each validator runs once, even if it is named twice")
	require.Equal(t, aureus.ToolError, result.FailureCode)
	require.Contains(t, result.ValidationResults[1].Reason, `"nobody"`)
	require.NotEmpty(t, result.Remediation)

	for name, threshold := range map[string]float64{"NaN": math.NaN(), "above 1": 1.5, "below 0": -0.5} {
		result = r.Validate(t.Context(), aureus.Commit{Data: "x"}, aureus.GateConfig{Validators: []string{"not_null"}, BlockOnFailure: true, RequiredConfidence: &threshold})
		require.False(t, result.Passed, name)
		require.Equal(t, aureus.LowConfidence, result.FailureCode)
	}

	result = r.Validate(cancelled(t), aureus.Commit{Data: "x"}, aureus.GateConfig{})
	require.True(t, result.BlockedCommit, "a cancelled context blocks, even with an empty list and without BlockOnFailure")

	result = validate(t, &r, "x", make([]string, registry.MaxGateLength+1)...)
	require.True(t, result.BlockedCommit)
	require.Len(t, result.ValidationResults, 1)

	echoed := map[string]any{"type": "retry_alt_tool", "toolName": "alt", "maxRetries": json.Number("2")}
	result = r.Validate(t.Context(), aureus.Commit{}, aureus.GateConfig{Validators: []string{"not_null"}, RecoveryStrategy: echoed})
	require.Equal(t, vocab.CRVWarning, result.CRVStatus)
	require.False(t, result.BlockedCommit)
	require.Equal(t, echoed, result.RecoveryStrategy, "the strategy is returned unchanged in both spellings")
}

func TestRegister_Replacement_IsUsedAtOnce(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	got, err := r.Register(t.Context(), "small", []byte(`{"type":"max_size","parameters":{"max":3}}`))
	require.NoError(t, err)
	require.Equal(t, aureus.ValidatorRegistration{ValidatorID: "small", Registered: true, Version: 1}, got)
	live := r.Validator("small")
	require.False(t, live(t.Context(), crvgate.Change[any]{Data: "four"}).Valid)

	_, err = r.Register(t.Context(), "small", []byte(`{"type":"max_size","parameters":{"max":"x"}}`))
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.False(t, live(t.Context(), crvgate.Change[any]{Data: "four"}).Valid, "the earlier version stays")
	require.NoError(t, r.Check(t.Context(), "small", []byte(`{"type":"max_size","parameters":{"max":30}}`)))
	require.False(t, live(t.Context(), crvgate.Change[any]{Data: "four"}).Valid, "Check changes nothing")

	got, err = r.Register(t.Context(), "small", []byte(`{"type":"max_size","parameters":{"max":30}}`))
	require.NoError(t, err)
	require.Equal(t, aureus.ValidatorRegistration{ValidatorID: "small", Registered: true, Replaced: true, Version: 2}, got)
	require.True(t, live(t.Context(), crvgate.Change[any]{Data: "four"}).Valid, "the validator that is registered when the gate runs is used")

	for name, id := range map[string]string{"empty": "", "long": strings.Repeat("x", registry.MaxIDBytes+1), "a control character": "a\nb"} {
		_, err = r.Register(t.Context(), id, []byte(`{"type":"not_null"}`))
		require.ErrorIs(t, err, aureus.ErrInvalid, name)
	}
}

func TestCompile_ConfigurationWithTests_NeitherRegistersNorRunsTests(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	validator, err := r.Compile("v", []byte(`{"type":"max_size","parameters":{"max":20},"tests":[{"name":"t","commit":{"id":"c","data":"`+strings.Repeat("x", 50)+`"},"want":"passed"}]}`))
	require.NoError(t, err, "tests are not run")
	require.True(t, validator(t.Context(), crvgate.Change[any]{Data: "0123456789"}).Valid)
	require.False(t, validator(t.Context(), crvgate.Change[any]{Data: strings.Repeat("x", 50)}).Valid)
	require.False(t, r.Has("v"), "nothing is registered")
	require.True(t, r.Has("not_null"))

	_, err = r.Compile("w", []byte(`{"type":"custom","validation_logic":"gone"}`))
	require.ErrorIs(t, err, aureus.ErrInvalid)
	_, err = r.Compile("", []byte(`{"type":"not_null"}`))
	require.ErrorIs(t, err, aureus.ErrInvalid)
}

func TestRegister_TooManyValidators_IsConflict(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	for i := range registry.MaxValidators {
		_, err := r.Register(t.Context(), strconv.Itoa(i), []byte(`{"type":"not_null"}`))
		require.NoError(t, err)
	}
	_, err := r.Register(t.Context(), "one more", []byte(`{"type":"not_null"}`))
	require.ErrorIs(t, err, aureus.ErrConflict)
	_, err = r.Register(t.Context(), "7", []byte(`{"type":"not_null"}`))
	require.NoError(t, err, "a replacement does not count")
}

// For every type, parameters in snake_case and in camelCase give the same validator.
func TestRegister_SnakeCaseAndCamelCase_AreTheSame(t *testing.T) {
	now := func() time.Time { return time.UnixMilli(10_000) }
	object := func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i < len(pairs); i += 2 {
			name, _ := pairs[i].(string)
			m[name] = pairs[i+1]
		}
		return m
	}
	for name, c := range map[string]struct {
		snake, camel string
		good, bad    any
		previous     any
		code         aureus.FailureTaxonomy
	}{
		"schema":             {`{"type":"schema","parameters":{"fields":{"b":"string","a":"number"}}}`, `{"type":"schema","parameters":{"expectedSchema":{"b":"string","a":"number"}}}`, object("a", json.Number("1"), "b", ""), object("a", ""), nil, aureus.MissingData},
		"max_size":           {`{"type":"max_size","parameters":{"max":7.5}}`, `{"type":"max_size","parameters":{"maxBytes":7}}`, "12345", "123456", nil, aureus.OutOfScope},
		"statistical_bounds": {`{"type":"statistical_bounds","parameters":{"field":"x","min":1,"max":9007199254740992,"mean":null}}`, `{"type":"statistical_bounds","parameters":{"field":"x","min":1,"max":9007199254740992}}`, object("x", json.Number("9007199254740992")), object("x", json.Number("9007199254740993")), nil, aureus.OutOfScope},
		"anomaly_detection":  {`{"type":"anomaly_detection","parameters":{"field":"x","history":[1,2,3]}}`, `{"type":"anomaly_detection","parameters":{"field":"x","historicalData":[1,2,3],"threshold":3.0}}`, object("x", json.Number("5")), object("x", json.Number("5.1")), nil, aureus.OutOfScope},
		"temporal_monotonic": {`{"type":"temporal_monotonic","parameters":{"timestamp_field":"at","version_field":"rev","allow_equal":true,"max_time_drift":10}}`, `{"type":"temporal_monotonic","parameters":{"timestampField":"at","versionField":"rev","allowEqual":true,"maxTimeDrift":10}}`, object("at", json.Number("15"), "rev", json.Number("1")), object("at", json.Number("16"), "rev", json.Number("1")), object("at", json.Number("5"), "rev", json.Number("1")), aureus.NonDeterminism},
		"memory_retention":   {`{"type":"memory_retention","parameters":{"max_retention_ms":1000,"timestamp_field":"at"}}`, `{"type":"memory_retention","parameters":{"maxRetentionMs":1000,"timestampField":"at"}}`, object("at", json.Number("9000")), object("at", json.Number("8999")), nil, aureus.PolicyViolation},
		"memory_compression": {`{"type":"memory_compression","parameters":{"threshold":10,"compressed_field":"z"}}`, `{"type":"memory_compression","parameters":{"sizeThresholdBytes":10,"compressionField":"z"}}`, object("z", true, "data", "0123456789"), object("compressed", true), nil, aureus.PolicyViolation},
		"compliance":         {`{"type":"compliance_standards","parameters":{"required":["GDPR"]}}`, `{"type":"compliance_standards","parameters":{"requiredStandards":["GDPR"]}}`, object("complianceStandards", []any{"GDPR"}), object("complianceStandards", []any{}), nil, aureus.PolicyViolation},
		"memory_policy": {
			`{"type":"memory_policy","parameters":{"max_retention_ms":1000,"require_compression":true,"threshold":200,"require_encryption":true,"required":["GDPR"]}}`,
			`{"type":"memory_policy","parameters":{"maxRetentionMs":1000,"requireCompression":true,"maxSizeBytes":200,"requireEncryption":true,"requiredCompliance":["GDPR"]}}`,
			object("timestamp", json.Number("9500"), "complianceStandards", []any{"GDPR"}), object("timestamp", json.Number("1"), "complianceStandards", []any{"GDPR"}), nil, aureus.PolicyViolation,
		},
		"a flag without a size has no effect": {`{"type":"memory_policy","parameters":{"require_compression":true,"max_retention_ms":9000}}`, `{"type":"memory_policy","parameters":{"threshold":1,"max_retention_ms":9000}}`, object("timestamp", json.Number("1000")), object("timestamp", json.Number("999")), nil, aureus.PolicyViolation},
		"custom limits without a function":    {`{"type":"custom","validation_logic":"check_business_rules","parameters":{"min_amount":100,"max_amount":10000}}`, `{"type":"custom","validationLogic":"check_business_rules","parameters":{"max_amount":10000,"min_amount":100}}`, object("amount", json.Number("10000")), object("amount", json.Number("10000.01")), nil, aureus.OutOfScope},
		"not_null":                            {`{"type":"not_null"}`, `{"type":"not_null","parameters":{},"name":"n","description":"d","tests":null}`, "x", nil, nil, aureus.MissingData},
	} {
		t.Run(name, func(t *testing.T) {
			r := &registry.Registry{Now: now}
			for i, config := range []string{c.snake, c.camel} {
				id := strconv.Itoa(i)
				_, err := r.Register(t.Context(), id, []byte(config))
				require.NoError(t, err)
				commit := aureus.Commit{Data: c.good, PreviousState: c.previous}
				gate := aureus.GateConfig{Validators: []string{id}}
				result := r.Validate(t.Context(), commit, gate)
				require.True(t, result.Passed, "%s: %+v", config, result.ValidationResults)
				commit.Data = c.bad
				result = r.Validate(t.Context(), commit, gate)
				require.Equal(t, c.code, result.FailureCode, "%s: %+v", config, result.ValidationResults)
			}
		})
	}
}

func TestRegister_InvalidConfiguration_ListsProblems(t *testing.T) {
	for name, c := range map[string]struct {
		config   string
		pointers []string
		message  string
	}{
		"not JSON":                     {`{"type":`, []string{"/type"}, "line 1, column"},
		"a name twice":                 {`{"type":"not_null","type":"max_size"}`, []string{"/type"}, "occurs twice"},
		"not an object":                {`[]`, []string{""}, "must be an object"},
		"an empty text":                {``, []string{"/type"}, "is required"},
		"null":                         {`null`, []string{""}, "must be an object"},
		"no type":                      {`{"parameters":{}}`, []string{"/type"}, "is required"},
		"an unknown type":              {`{"type":"maxsize"}`, []string{"/type"}, "must be one of anomaly_detection, compliance_standards, custom, max_size"},
		"a type that is a number":      {`{"type":1}`, []string{"/type"}, "must be a string, not number"},
		"an unknown name":              {`{"type":"not_null","params":{}}`, []string{"/params"}, "known names are type, validation_logic, parameters"},
		"parameters that are an array": {`{"type":"not_null","parameters":[]}`, []string{"/parameters"}, "must be an object"},
		"an unknown parameter":         {`{"type":"max_size","parameters":{"max":1,"maxx":2}}`, []string{"/parameters/maxx"}, "known names are max"},
		"a type without parameters":    {`{"type":"not_null","parameters":{"x":1}}`, []string{"/parameters/x"}, "there are no parameters"},
		"a missing parameter":          {`{"type":"max_size"}`, []string{"/parameters/max"}, "is required"},
		"a parameter that is null":     {`{"type":"max_size","parameters":{"max":null}}`, []string{"/parameters/max"}, "is required"},
		"two spellings of a parameter": {`{"type":"temporal_monotonic","parameters":{"allow_equal":true,"allowEqual":false}}`, []string{"/parameters/allowEqual"}, `is given twice: "allow_equal" is the same`},
		"two names of a parameter":     {`{"type":"max_size","parameters":{"max":1,"maxBytes":2}}`, []string{"/parameters/maxBytes"}, "is given twice"},
		"several problems":             {`{"type":"statistical_bounds","parameters":{"min":"a","max":true,"stddev":-1,"tolerance":1e999}}`, []string{"/parameters/field", "/parameters/min", "/parameters/max", "/parameters/stddev", "/parameters/tolerance"}, "must be a number, not string"},
		"no bounds":                    {`{"type":"statistical_bounds","parameters":{"field":"x"}}`, []string{"/parameters"}, "sets no bounds: give min"},
		"bounds that are null":         {`{"type":"statistical_bounds","parameters":{"field":"x","min":null,"max":null}}`, []string{"/parameters"}, "sets no bounds: give min"},
		"a misspelt bound":             {`{"type":"statistical_bounds","parameters":{"field":"x","maximum":1}}`, []string{"/parameters", "/parameters/maximum"}, "is not known here"},
		"a mean alone":                 {`{"type":"statistical_bounds","parameters":{"field":"x","mean":1,"max":5}}`, []string{"/parameters/mean"}, "without stddev"},
		"a deviation alone":            {`{"type":"statistical_bounds","parameters":{"field":"x","stddev":1}}`, []string{"/parameters/stddev"}, "without mean"},
		"a tolerance alone":            {`{"type":"statistical_bounds","parameters":{"field":"x","min":1,"tolerance":2}}`, []string{"/parameters/tolerance"}, "without mean and stddev"},
		"a limit without a field":      {`{"type":"custom","parameters":{"min_":1}}`, []string{"/parameters/min_", "/validation_logic"}, "known names are min_x and max_x"},
		"a limit in another spelling":  {`{"type":"custom","parameters":{"min_a":1,"maxAmount":2}}`, []string{"/parameters/maxAmount"}, "known names are min_x and max_x"},
		"misspelt limits":              {`{"type":"custom","parameters":{"min_a":1,"mx_b":2,"minimum_b":3,"Max_b":4}}`, []string{"/parameters/mx_b", "/parameters/minimum_b", "/parameters/Max_b"}, "known names are min_x and max_x"},
		"an unknown type of field":     {`{"type":"schema","parameters":{"fields":{"a/b":"text","~":1,"ok":"string"}}}`, []string{"/parameters/fields/a~1b", "/parameters/fields/~0"}, "must be one of string, number"},
		"fields that are a list":       {`{"type":"schema","parameters":{"fields":["a"]}}`, []string{"/parameters/fields"}, "must be an object, not array"},
		"a history with text":          {`{"type":"anomaly_detection","parameters":{"field":"x","history":[1,"2",null]}}`, []string{"/parameters/history/1", "/parameters/history/2"}, "must be a number"},
		"a negative threshold":         {`{"type":"anomaly_detection","parameters":{"field":"x","history":[1],"threshold":-1}}`, []string{"/parameters/threshold"}, "must not be below 0"},
		"an empty field":               {`{"type":"statistical_bounds","parameters":{"field":""}}`, []string{"/parameters/field"}, "must not be empty"},
		"a flag that is text":          {`{"type":"temporal_monotonic","parameters":{"allow_equal":"yes"}}`, []string{"/parameters/allow_equal"}, "must be true or false"},
		"standards that are numbers":   {`{"type":"compliance_standards","parameters":{"required":[1]}}`, []string{"/parameters/required/0"}, "must be a string"},
		"standards that are a string":  {`{"type":"compliance_standards","parameters":{"required":"GDPR"}}`, []string{"/parameters/required"}, "must be an array"},
		"logic for another type":       {`{"type":"not_null","validation_logic":"f"}`, []string{"/validation_logic"}, "is for the type custom only"},
		"custom, unknown function":     {`{"type":"custom","validation_logic":"f"}`, []string{"/validation_logic"}, "names no function of this host"},
		"custom without logic":         {`{"type":"custom"}`, []string{"/validation_logic"}, "names no function"},
		"custom with other parameters": {`{"type":"custom","parameters":{"min_a":1,"least":2}}`, []string{"/parameters/least"}, "min_x and max_x"},
		"a limit that is text":         {`{"type":"custom","parameters":{"min_a":"1"}}`, []string{"/parameters/min_a"}, "must be a number"},
		"a type of another package":    {`{"type":"cel","parameters":{"expression":"true"}}`, []string{"/type"}, "must be one of"},
	} {
		t.Run(name, func(t *testing.T) {
			var r registry.Registry
			_, err := r.Register(t.Context(), "v", []byte(c.config))
			require.ErrorIs(t, err, aureus.ErrInvalid)
			require.ErrorContains(t, err, c.message)
			config, ok := errors.AsType[*registry.ConfigError](err)
			require.True(t, ok)
			var pointers []string
			for _, p := range config.Problems {
				pointers = append(pointers, p.Pointer)
			}
			require.ElementsMatch(t, c.pointers, pointers, err)
			require.Equal(t, aureus.ToolError, validate(t, &r, "x", "v").FailureCode, "nothing is registered")
		})
	}
	long := fmt.Appendf(nil, `{"type":"not_null","description":"%s"}`, strings.Repeat("x", registry.MaxConfigBytes))
	require.ErrorIs(t, new(registry.Registry).Check(t.Context(), "v", long), aureus.ErrInvalid)
	many := &registry.ConfigError{Problems: make([]registry.Problem, 11)}
	require.ErrorContains(t, many, "and 3 more")
}

func TestFunc_CustomConfiguration_CallsTheFunction(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	var got map[string]any
	r.Func("check_business_rules", func(_ context.Context, c crvgate.Change[any], parameters map[string]any) aureus.ValidationResult {
		got = parameters
		result := crvgate.Pass()
		result.Metadata = map[string]any{"seen": 1, "data": c.Data}
		return result
	})
	require.Panics(t, func() {
		r.Func("check_business_rules", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
			return crvgate.Pass()
		})
	})
	_, err := r.Register(t.Context(), "v", []byte(`{"type":"custom","validation_logic":"check_business_rules","parameters":{"min_amount":100,"camelCase":{"a":null}}}`))
	require.NoError(t, err)
	result := validate(t, &r, "x", "v")
	require.True(t, result.Passed, "the function is called instead of checking min and max")
	require.Equal(t, map[string]any{"min_amount": json.Number("100"), "camelCase": map[string]any{"a": nil}}, got, "names are not converted")
	require.Equal(t, map[string]any{"seen": json.Number("1"), "data": "x"}, result.ValidationResults[0].Metadata, "metadata is converted to free-form JSON")
	delete(got, "min_amount")
	validate(t, &r, "x", "v")
	require.Len(t, got, 2, "each call gets its own map")

	r.Func("odd", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
		result := crvgate.Fail(aureus.Conflict, "odd")
		result.Metadata = map[string]any{"f": func() {}}
		return result
	})
	_, err = r.Register(t.Context(), "odd", []byte(`{"type":"custom","validation_logic":"odd"}`))
	require.NoError(t, err)
	result = validate(t, &r, "x", "odd")
	require.Equal(t, aureus.Conflict, result.FailureCode)
	require.Nil(t, result.ValidationResults[0].Metadata, "metadata without a JSON form is left out")

	_, err = r.Register(t.Context(), "w", []byte(`{"type":"custom","validation_logic":"another"}`))
	require.ErrorContains(t, err, "functions of this host are check_business_rules, odd")
}

func TestType_AddedType_UsesTheBuilder(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	var got string
	r.Type("equals", func(parameters []byte) (crvgate.Validator[any], error) {
		got = string(parameters)
		switch {
		case strings.Contains(got, "panic"):
			panic("boom")
		case strings.Contains(got, "nothing"):
			return nil, nil //nolint:nilnil // the case under test
		case strings.Contains(got, "plain"):
			return nil, errors.New("cannot be done")
		case strings.Contains(got, "placed"):
			return nil, &registry.ConfigError{Problems: []registry.Problem{{Pointer: "/snake_name/0", Line: 2, Column: 3, Message: "what?"}, {Message: "all of it"}}}
		}
		return validators.NotNull(), nil
	})
	_, err := r.Register(t.Context(), "v", []byte(`{"type":"equals","parameters":{"zName":{"innerName":1},"a":2.0}}`))
	require.NoError(t, err)
	require.Equal(t, `{"z_name":{"innerName":1},"a":2.0}`, got, "in order, in snake_case, values unchanged") //nolint:testifylint // compares the text
	_, err = r.Register(t.Context(), "v", []byte(`{"type":"equals"}`))
	require.NoError(t, err)
	require.Equal(t, `{}`, got)

	_, err = r.Register(t.Context(), "v", []byte(`{"type":"equals","parameters":{"snakeName":["placed"]}}`))
	config, ok := errors.AsType[*registry.ConfigError](err)
	require.True(t, ok)
	require.Equal(t, []registry.Problem{
		{Pointer: "/parameters/snakeName/0", Line: 2, Column: 3, Message: "what?"},
		{Pointer: "/parameters", Message: "all of it"},
	}, config.Problems, "problems have the name as the configuration has it")
	require.EqualError(t, err, "crvgate: the configuration of the validator is invalid: /parameters/snakeName/0 line 2, column 3: what?; /parameters: all of it")

	for _, word := range []string{"panic", "nothing", "plain"} {
		_, err = r.Register(t.Context(), "v", fmt.Appendf(nil, `{"type":"equals","parameters":{"x":%q}}`, word))
		require.Error(t, err, word)
	}
	require.True(t, validate(t, &r, "x", "v").Passed, "the earlier version stays")
	_, err = r.Register(t.Context(), "w", []byte(`{"type":"none"}`))
	require.ErrorContains(t, err, "equals")
}

func TestRegister_FailingTests_AreRefused(t *testing.T) {
	config := func(tests string) []byte {
		return []byte(`{"type":"max_size","parameters":{"max":5},"tests":` + tests + `}`)
	}
	var r registry.Registry
	require.NoError(t, r.Check(t.Context(), "v", config(`[
		{"name":"fits","commit":{"id":"c","data":"abc"},"want":"passed"},
		{"name":"does not","commit":{"id":"c","data":"abcd"},"want":"blocked","failure_code":"OUT_OF_SCOPE"},
		{"name":"warns","commit":{"id":"c","data":"abcd"},"want":"warning"}]`)))
	for name, c := range map[string]struct{ tests, pointer, message string }{
		"fails":            {`[{"name":"fits","commit":{"id":"c","data":"abc"},"want":"passed"},{"name":"n","commit":{"id":"c","data":"abcd"},"want":"passed"}]`, "/tests/1", `the test "n" wants passed and got blocked: the data has 6 characters`},
		"passes":           {`[{"name":"n","commit":{"id":"c","data":null},"want":"warning"}]`, "/tests/0", "wants warning and got passed"},
		"another code":     {`[{"name":"n","commit":{"id":"c","data":"abcd"},"want":"blocked","failure_code":"CONFLICT"}]`, "/tests/0/failure_code", `wants CONFLICT and got "OUT_OF_SCOPE"`},
		"an unknown code":  {`[{"name":"n","commit":{"id":"c","data":"abcd"},"want":"blocked","failure_code":"NO"}]`, "/tests/0/failure_code", "must be one of MISSING_DATA"},
		"an unknown want":  {`[{"name":"n","commit":{"id":"c","data":1},"want":"ok"}]`, "/tests/0/want", "must be one of passed, blocked, warning"},
		"no commit":        {`[{"name":"n","want":"passed"}]`, "/tests/0/commit", "is required"},
		"tests not a list": {`{"a":1}`, "/tests", "must be an array"},
		"too many":         {`[` + strings.TrimSuffix(strings.Repeat(`{"name":"n","commit":{"id":"c","data":1},"want":"passed"},`, registry.MaxTestsPerRule+1), ",") + `]`, "/tests", "the limit is 100"},
	} {
		t.Run(name, func(t *testing.T) {
			err := r.Check(t.Context(), "v", config(c.tests))
			require.ErrorContains(t, err, c.message)
			problems, ok := errors.AsType[*registry.ConfigError](err)
			require.True(t, ok)
			require.Equal(t, c.pointer, problems.Problems[0].Pointer)
		})
	}
}

func TestValidator_InAGate_Works(t *testing.T) {
	t.Parallel()
	type ledger struct {
		Balance int64 `json:"balance"`
	}
	var r registry.Registry
	_, err := r.Register(t.Context(), "cap", []byte(`{"type":"statistical_bounds","parameters":{"field":"balance","max":100}}`))
	require.NoError(t, err)
	gate := crvgate.New("ledger", func(context.Context, crvgate.Change[ledger]) aureus.ValidationResult { return crvgate.Pass() }).
		With(r.Validator("cap"))
	require.NoError(t, gate.Check(t.Context(), crvgate.Change[ledger]{Data: ledger{Balance: 100}}))
	require.Equal(t, aureus.OutOfScope, crvgate.FailureCode(gate.Check(t.Context(), crvgate.Change[ledger]{Data: ledger{Balance: 101}})))
}

func TestRegistry_ConcurrentUse_IsSafe(t *testing.T) {
	t.Parallel()
	var r registry.Registry
	var group sync.WaitGroup
	for worker := range 8 {
		group.Go(func() {
			r.Func(fmt.Sprintf("f%d", worker), func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
				return crvgate.Pass()
			})
			r.Type(fmt.Sprintf("t%d", worker), func([]byte) (crvgate.Validator[any], error) { return validators.NotNull(), nil })
			for range 20 {
				if _, err := r.Register(t.Context(), "shared", fmt.Appendf(nil, `{"type":"t%d"}`, worker)); err != nil {
					t.Error(err)
				}
				if err := r.Check(t.Context(), "x", []byte(`{"type":"nothing"}`)); err == nil {
					t.Error("compiled")
				}
				r.Validate(t.Context(), aureus.Commit{Data: "x"}, aureus.GateConfig{Validators: []string{"shared", "nobody", "not_null"}})
			}
		})
	}
	group.Wait()
	got, err := r.Register(t.Context(), "shared", []byte(`{"type":"not_null"}`))
	require.NoError(t, err)
	require.Equal(t, 8*20+1, got.Version, "every version is used once")
}

func notNull([]byte) (crvgate.Validator[any], error) { return validators.NotNull(), nil }

func TestRegistry_InvalidArguments_Panic(t *testing.T) {
	for name, mistake := range map[string]func(){
		"a function without a name": func() {
			new(registry.Registry).Func("", func(context.Context, crvgate.Change[any], map[string]any) aureus.ValidationResult {
				return crvgate.Pass()
			})
		},
		"no function": func() { new(registry.Registry).Func("f", nil) },
		"a type that exists": func() {
			new(registry.Registry).Type("not_null", notNull)
		},
		"the type custom": func() {
			new(registry.Registry).Type("custom", notNull)
		},
		"no builder": func() { new(registry.Registry).Type("t", nil) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, mistake) })
	}
}

func cancelled(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}
