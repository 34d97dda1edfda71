package rules_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/rules"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func newRegistry() *registry.Registry {
	r := &registry.Registry{}
	rules.Register(r)
	return r
}

func parse(t testing.TB, text string) any {
	t.Helper()
	value, err := strictjson.Parse([]byte(text))
	require.NoError(t, err, text)
	return value
}

// register registers a configuration and returns its validator.
func register(t testing.TB, kind, parameters string) crvgate.Validator[any] {
	t.Helper()
	r := newRegistry()
	_, err := r.Register(context.WithoutCancel(t.Context()), "rule", []byte(`{"type":"`+kind+`","parameters":`+parameters+`}`))
	require.NoError(t, err, parameters)
	return r.Validator("rule")
}

// refused returns the problems of a configuration that must be refused.
func refused(t testing.TB, config string) []registry.Problem {
	t.Helper()
	_, err := newRegistry().Register(t.Context(), "rule", []byte(config))
	require.ErrorIs(t, err, aureus.ErrInvalid, config)
	failure, ok := errors.AsType[*registry.ConfigError](err)
	require.True(t, ok, "%T", err)
	require.NotEmpty(t, failure.Problems)
	return failure.Problems
}

func judge(t testing.TB, validator crvgate.Validator[any], data string) aureus.ValidationResult {
	t.Helper()
	return validator(t.Context(), crvgate.Change[any]{Data: parse(t, data)})
}

func confidence(result aureus.ValidationResult) float64 {
	if result.Confidence == nil {
		return -1
	}
	return *result.Confidence
}

func TestCEL_Expressions_HaveTheExpectedResults(t *testing.T) {
	type want struct {
		code       aureus.FailureTaxonomy // empty: it passes
		reason     string
		hint       string
		confidence float64
	}
	const data = `{"amount":5,"limit":3,"name":"ann","big":9007199254740993}`
	for reason, row := range map[string]struct {
		parameters string
		want       want
	}{
		"it holds":                             {`{"expression":"data.amount + 1 == 6"}`, want{"", "", "", 1}},
		"it holds with less confidence":        {`{"expression":"true","confidence":0.7}`, want{"", "", "", 0.7}},
		"a confidence of 0 is used":            {`{"expression":"true","confidence":0}`, want{"", "", "", 0}},
		"it does not hold":                     {`{"expression":"data.amount <= data.limit"}`, want{aureus.PolicyViolation, "the rule does not hold", aureus.PolicyViolation.Remediation(), 1}},
		"a message of its own":                 {`{"expression":"false","message":"too much","failure_code":"OUT_OF_SCOPE","confidence":0.5,"remediation":"ask Ann"}`, want{aureus.OutOfScope, "too much", "ask Ann", 0.5}},
		"a message expression":                 {`{"expression":"false","message_expression":"'limit ' + string(data.limit)"}`, want{aureus.PolicyViolation, "limit 3", aureus.PolicyViolation.Remediation(), 1}},
		"a message expression that fails":      {`{"expression":"false","message_expression":"string(data.nothing)"}`, want{aureus.PolicyViolation, "the rule does not hold", aureus.PolicyViolation.Remediation(), 1}},
		"camelCase is accepted":                {`{"expression":"false","messageExpression":"'no'","failureCode":"CONFLICT"}`, want{aureus.Conflict, "no", aureus.Conflict.Remediation(), 1}},
		"null is absent":                       {`{"expression":"false","message":null,"confidence":null}`, want{aureus.PolicyViolation, "the rule does not hold", aureus.PolicyViolation.Remediation(), 1}},
		"a key is missing":                     {`{"expression":"data.amont > 1","confidence":0.2}`, want{aureus.MissingData, `the rule could not be evaluated: the key "amont" is missing (line 1, column 5)`, aureus.MissingData.Remediation(), 1}},
		"kinds do not match":                   {`{"expression":"data.name > 1"}`, want{aureus.ToolError, "of types that it does not accept (line 1, column 11)", aureus.ToolError.Remediation(), 1}},
		"a division by zero":                   {`{"expression":"data.amount / 0 > 1"}`, want{aureus.ToolError, "division by zero", aureus.ToolError.Remediation(), 1}},
		"no previous state is null":            {`{"expression":"previous == null"}`, want{"", "", "", 1}},
		"a key without a previous state":       {`{"expression":"previous.amount > 1"}`, want{aureus.MissingData, `"amount" is missing`, aureus.MissingData.Remediation(), 1}},
		"absent metadata is an empty object":   {`{"expression":"metadata == {} && !has(metadata.x)"}`, want{"", "", "", 1}},
		"integers beyond 2^53 are not rounded": {`{"expression":"data.big == 9007199254740992"}`, want{aureus.PolicyViolation, "the rule does not hold", aureus.PolicyViolation.Remediation(), 1}},
		"integers beyond 2^53 are equal":       {`{"expression":"data.big == 9007199254740993"}`, want{"", "", "", 1}},
		"a rule that costs too much":           {`{"expression":"[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a+b+c+d+e > 0)))))"}`, want{aureus.ToolError, "costs more than the limit", aureus.ToolError.Remediation(), 1}},
	} {
		t.Run(reason, func(t *testing.T) {
			result := judge(t, register(t, "cel", row.parameters), data)
			require.Equal(t, row.want.code == "", result.Valid, result.Reason)
			require.Equal(t, row.want.code, result.FailureCode)
			require.Contains(t, result.Reason, row.want.reason)
			require.Equal(t, row.want.hint, result.Remediation)
			require.InDelta(t, row.want.confidence, confidence(result), 0)
			require.NotContains(t, result.Reason, "ann")
			if result.FailureCode == aureus.MissingData {
				require.Len(t, result.Metadata["missingFields"], 1)
			}
		})
	}
}

func TestCEL_Variables_HaveTheWholeChange(t *testing.T) {
	t.Parallel()
	validator := register(t, "cel", `{"expression":"data.version > previous.version && metadata.actor == 'ann' && data.sum == 0.5"}`)
	type state struct {
		Version int     `json:"version"`
		Sum     float64 `json:"sum"`
	}
	change := crvgate.Change[any]{Data: state{2, 0.5}, Previous: state{1, 0}, HasPrevious: true, Metadata: map[string]any{"actor": "ann"}}
	require.True(t, validator(t.Context(), change).Valid, "Go values as well as free-form ones")
	change.HasPrevious = false
	require.Equal(t, aureus.MissingData, validator(t.Context(), change).FailureCode, "Previous is ignored without HasPrevious")
	change.Data = make(chan int)
	require.Equal(t, aureus.Conflict, validator(t.Context(), change).FailureCode, "a value without a JSON form")
}

func TestRegister_InvalidParameters_AreRefused(t *testing.T) {
	type place struct {
		pointer      string
		line, column int
	}
	for reason, row := range map[string]struct {
		config  string
		at      place
		message string
	}{
		"cel: no expression":                    {`{"type":"cel"}`, place{"/parameters/expression", 0, 0}, "is required"},
		"cel: an empty expression":              {`{"type":"cel","parameters":{"expression":" "}}`, place{"/parameters/expression", 0, 0}, "must not be empty"},
		"cel: not a string":                     {`{"type":"cel","parameters":{"expression":7}}`, place{"/parameters/expression", 0, 0}, "must be a string"},
		"cel: not valid CEL":                    {`{"type":"cel","parameters":{"expression":"data.a ==\n  foo"}}`, place{"/parameters/expression", 2, 3}, "undeclared reference to 'foo'"},
		"cel: a result that is not boolean":     {`{"type":"cel","parameters":{"expression":"data.amount + 1"}}`, place{"/parameters/expression", 0, 0}, "must give true or false"},
		"cel: an integer instead of a double":   {`{"type":"cel","parameters":{"expression":"size(data) == 1.0"}}`, place{"/parameters/expression", 1, 12}, "write 1.0 instead of 1"},
		"cel: a clock":                          {`{"type":"cel","parameters":{"expression":"timestamp(data.at) < now()"}}`, place{"/parameters/expression", 1, 25}, "undeclared reference to 'now'"},
		"cel: too long":                         {`{"type":"cel","parameters":{"expression":"` + strings.Repeat("true||", 2000) + `true"}}`, place{"/parameters/expression", 0, 0}, "size"},
		"cel: a message that is not a string":   {`{"type":"cel","parameters":{"expression":"true","message_expression":"data.a"}}`, place{"/parameters/message_expression", 0, 0}, "string(…)"},
		"cel: the name as written":              {`{"type":"cel","parameters":{"expression":"true","messageExpression":"data.a"}}`, place{"/parameters/messageExpression", 0, 0}, "string(…)"},
		"cel: two messages":                     {`{"type":"cel","parameters":{"expression":"true","message":"a","message_expression":"'b'"}}`, place{"/parameters/message", 0, 0}, "together with message_expression"},
		"cel: an unknown code":                  {`{"type":"cel","parameters":{"expression":"true","failure_code":"NO"}}`, place{"/parameters/failure_code", 0, 0}, "must be one of MISSING_DATA"},
		"cel: a confidence above 1":             {`{"type":"cel","parameters":{"expression":"true","confidence":1.5}}`, place{"/parameters/confidence", 0, 0}, "at most 1"},
		"cel: an unknown name":                  {`{"type":"cel","parameters":{"expression":"true","severity":"high"}}`, place{"/parameters/severity", 0, 0}, "known names are expression"},
		"cel: a test that fails":                {`{"type":"cel","parameters":{"expression":"data.a > 1"},"tests":[{"name":"small","commit":{"id":"1","data":{"a":1}},"want":"passed"}]}`, place{"/tests/0", 0, 0}, "wants passed and got blocked"},
		"rules: no list":                        {`{"type":"cross_field_consistency","parameters":{}}`, place{"/parameters/rules", 0, 0}, "is required"},
		"rules: null for the list":              {`{"type":"cross_field_consistency","parameters":{"rules":null}}`, place{"/parameters/rules", 0, 0}, "is required"},
		"rules: without a name":                 {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"","fields":[],"expression":"true"}]}}`, place{"/parameters/rules/0/name", 0, 0}, "must not be empty"},
		"rules: without fields":                 {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"a","expression":"true"}]}}`, place{"/parameters/rules/0/fields", 0, 0}, "is required"},
		"rules: without an expression":          {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"a","fields":["a"]}]}}`, place{"/parameters/rules/0/expression", 0, 0}, "is required"},
		"rules: the second is not valid CEL":    {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"a","fields":[],"expression":"true"},{"name":"b","fields":[],"expression":"a <"}]}}`, place{"/parameters/rules/1/expression", 1, 4}, "Syntax error"},
		"rules: an unknown name":                {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"a","fields":[],"expression":"true","predicate":1}]}}`, place{"/parameters/rules/0/predicate", 0, 0}, "known names are name"},
		"rules: too many":                       {`{"type":"cross_field_consistency","parameters":{"rules":[` + strings.Repeat(`{"name":"a","fields":[],"expression":"true"},`, rules.MaxRules) + `{"name":"a","fields":[],"expression":"true"}]}}`, place{"/parameters/rules", 0, 0}, "the limit is 100"},
		"rules: too much to compile":            {`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"a","fields":[],"expression":"true"}` + strings.Repeat(`,{"name":"a","fields":[],"expression":"`+strings.Repeat("true||", 1500)+`true"}`, 6) + `]}}`, place{"/parameters/rules", 0, 0}, "the limit is 50000"},
		"schema: none":                          {`{"type":"json_schema"}`, place{"/parameters/schema", 0, 0}, "is required"},
		"schema: a text":                        {`{"type":"json_schema","parameters":{"schema":"x"}}`, place{"/parameters/schema", 0, 0}, "boolean or object"},
		"schema: null":                          {`{"type":"json_schema","parameters":{"schema":null}}`, place{"/parameters/schema", 0, 0}, "boolean or object"},
		"schema: an unknown type":               {`{"type":"json_schema","parameters":{"schema":{"properties":{"x/y":{"type":"strin"}}}}}`, place{"/parameters/schema/properties/x~1y/type", 0, 0}, "must be one of"},
		"schema: a keyword of the wrong kind":   {`{"type":"json_schema","parameters":{"schema":{"required":"a"}}}`, place{"/parameters/schema/required", 0, 0}, "must be of type array"},
		"schema: a keyword in another case":     {`{"type":"json_schema","parameters":{"schema":{"Required":["a"]}}}`, place{"/parameters/schema/Required", 0, 0}, "write required"},
		"schema: an unknown format":             {`{"type":"json_schema","parameters":{"schema":{"items":{"format":"emial"}}}}`, place{"/parameters/schema/items/format", 0, 0}, "known formats are date"},
		"schema: a pattern beyond RE2":          {`{"type":"json_schema","parameters":{"schema":{"pattern":"(?=a)"}}}`, place{"/parameters/schema/pattern", 0, 0}, "format regex"},
		"schema: a pattern that is too large":   {`{"type":"json_schema","parameters":{"schema":{"pattern":"` + strings.Repeat("a", 2000) + `"}}}`, place{"/parameters/schema/pattern", 0, 0}, "the limit is 1000"},
		"schema: an older draft":                {`{"type":"json_schema","parameters":{"schema":{"$schema":"http://json-schema.org/draft-07/schema#"}}}`, place{"/parameters/schema/$schema", 0, 0}, "must be https://json-schema.org/draft/2020-12/schema"},
		"schema: another dialect":               {`{"type":"json_schema","parameters":{"schema":{"$schema":"https://example.com/dialect"}}}`, place{"/parameters/schema/$schema", 0, 0}, "outside the document"},
		"schema: a file":                        {`{"type":"json_schema","parameters":{"schema":{"properties":{"a":{"$ref":"file:///etc/hostname"}}}}}`, place{"/parameters/schema/properties/a/$ref", 0, 0}, "outside the document"},
		"schema: a relative file":               {`{"type":"json_schema","parameters":{"schema":{"$ref":"doc.go"}}}`, place{"/parameters/schema/$ref", 0, 0}, "outside the document"},
		"schema: a file by its $id":             {`{"type":"json_schema","parameters":{"schema":{"$id":"file:///etc/x","$ref":"hostname"}}}`, place{"/parameters/schema/$ref", 0, 0}, "outside the document"},
		"schema: a web page":                    {`{"type":"json_schema","parameters":{"schema":{"$dynamicRef":"https://example.com/a"}}}`, place{"/parameters/schema/$dynamicRef", 0, 0}, "outside the document"},
		"schema: a reference to nothing":        {`{"type":"json_schema","parameters":{"schema":{"$ref":"#/$defs/none"}}}`, place{"/parameters/schema/$ref", 0, 0}, "not found"},
		"schema: an endless reference":          {`{"type":"json_schema","parameters":{"schema":{"not":{"$ref":"#"}}}}`, place{"/parameters/schema", 0, 0}, "without end"},
		"schema: an endless dynamic reference":  {`{"type":"json_schema","parameters":{"schema":{"$dynamicAnchor":"a","anyOf":[{"$dynamicRef":"#a"},{"type":"null"}]}}}`, place{"/parameters/schema", 0, 0}, "without end"},
		"schema: a number with too many digits": {`{"type":"json_schema","parameters":{"schema":{"items":{"multipleOf":1e-100000}}}}`, place{"/parameters/schema/items/multipleOf", 0, 0}, "400 digits"},
		"schema: too large":                     {`{"type":"json_schema","parameters":{"schema":{"enum":[` + strings.Repeat("1,", rules.MaxSchemaValues) + `2]}}}`, place{"/parameters/schema", 0, 0}, "the limit is 10000"},
		"schema: a test that fails":             {`{"type":"json_schema","parameters":{"schema":false},"tests":[{"name":"any","commit":{"id":"1","data":{}},"want":"blocked","failure_code":"MISSING_DATA"}]}`, place{"/tests/0/failure_code", 0, 0}, "wants MISSING_DATA"},
	} {
		t.Run(reason, func(t *testing.T) {
			problem := refused(t, row.config)[0]
			got := place{problem.Pointer, problem.Line, problem.Column}
			require.Equal(t, row.at, got, problem.Message)
			require.Contains(t, problem.Message, row.message)
		})
	}
}

func TestRegister_SeveralProblems_AreAllReported(t *testing.T) {
	t.Parallel()
	problems := refused(t, `{"type":"cel","parameters":{"expression":7,"confidence":-1,"failure_code":"NO","extra":1}}`)
	require.Len(t, problems, 4)
	problems = refused(t, `{"type":"cross_field_consistency","parameters":{"rules":[{"name":"","fields":[],"expression":"x"},{"name":"b","fields":[],"expression":"1"}]}}`)
	require.Len(t, problems, 3)
}

func TestRegister_Refused_KeepsTheEarlierVersion(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	_, err := r.Register(t.Context(), "rule", []byte(`{"type":"cel","parameters":{"expression":"data.a == 1"}}`))
	require.NoError(t, err)
	_, err = r.Register(t.Context(), "rule", []byte(`{"type":"cel","parameters":{"expression":"data.a =="}}`))
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.True(t, judge(t, r.Validator("rule"), `{"a":1}`).Valid)
}

func TestRegister_TestsOfAConfiguration_Run(t *testing.T) {
	t.Parallel()
	for _, config := range []string{
		`{"type":"cel","parameters":{"expression":"data.a > previous.a"},"tests":[
			{"name":"grows","commit":{"id":"1","data":{"a":2},"previous_state":{"a":1}},"want":"passed"},
			{"name":"shrinks","commit":{"id":"1","data":{"a":1},"previous_state":{"a":2}},"want":"blocked","failure_code":"POLICY_VIOLATION"},
			{"name":"new","commit":{"id":"1","data":{"a":1}},"want":"warning","failure_code":"MISSING_DATA"}]}`,
		`{"type":"json_schema","parameters":{"schema":{"required":["a"]}},"tests":[
			{"name":"there","commit":{"id":"1","data":{"a":2}},"want":"passed"},
			{"name":"not there","commit":{"id":"1","data":{}},"want":"blocked","failure_code":"MISSING_DATA"}]}`,
		`{"type":"cross_field_consistency","parameters":{"rules":[{"name":"r","fields":["a","b"],"expression":"data.a < data.b"}]},"tests":[
			{"name":"ordered","commit":{"id":"1","data":{"a":1,"b":2}},"want":"passed"},
			{"name":"not","commit":{"id":"1","data":{"a":2,"b":1}},"want":"blocked","failure_code":"CONFLICT"}]}`,
	} {
		_, err := newRegistry().Register(t.Context(), "rule", []byte(config))
		require.NoError(t, err)
	}
}

func TestCrossFieldConsistency_Rules_HaveTheExpectedResults(t *testing.T) {
	t.Parallel()
	validator := register(t, "cross_field_consistency", `{"rules":[
		{"name":"total","fields":["net","tax","total"],"expression":"data.net + data.tax == data.total","message":"the parts do not add up"},
		{"name":"dates","fields":["from","to"],"expression":"timestamp(data.from) <= timestamp(data.to)"},
		{"name":"grows","fields":["total"],"expression":"previous == null || data.total >= previous.total"}]}`)
	const good = `{"net":1,"tax":2,"total":3,"from":"2024-01-01T00:00:00Z","to":"2024-01-02T00:00:00Z"}`

	result := judge(t, validator, good)
	require.True(t, result.Valid, result.Reason)
	requireJSON(t, `{"rulesChecked":3}`, result.Metadata)

	result = judge(t, validator, `{"net":1,"total":3,"to":""}`)
	require.Equal(t, aureus.MissingData, result.FailureCode)
	requireJSON(t, `{"missingFields":["tax","from"]}`, result.Metadata)

	result = judge(t, validator, strings.Replace(good, `"tax":2`, `"tax":1`, 1))
	require.Equal(t, aureus.Conflict, result.FailureCode)
	require.Equal(t, "the parts do not add up", result.Reason)
	require.InDelta(t, 1, confidence(result), 0)
	requireJSON(t, `{"rule":"total","fields":["net","tax","total"],"values":{"net":1,"tax":1,"total":3}}`, result.Metadata)

	result = judge(t, validator, strings.Replace(good, "2024-01-02T00:00:00Z", "tomorrow", 1))
	require.Equal(t, aureus.ToolError, result.FailureCode)
	require.InDelta(t, 0.5, confidence(result), 0)
	require.Equal(t, "dates", result.Metadata["rule"])

	for _, data := range []string{`null`, `7`, `"x"`} {
		require.Equal(t, aureus.Conflict, judge(t, validator, data).FailureCode, data)
	}

	result = validator(t.Context(), crvgate.Change[any]{Data: parse(t, good), Previous: parse(t, `{"total":4}`), HasPrevious: true})
	require.Equal(t, aureus.Conflict, result.FailureCode, "a validator sees the previous state")
	require.Equal(t, "grows", result.Metadata["rule"])
}

// An empty list of rules is accepted. The data must be an object, and the metadata message
// that no rule was checked.
func TestCrossFieldConsistency_NoRules_ChecksOnlyTheKind(t *testing.T) {
	t.Parallel()
	validator := register(t, "cross_field_consistency", `{"rules":[]}`)
	for _, data := range []string{`{}`, `{"a":1}`, `[]`} {
		result := judge(t, validator, data)
		require.True(t, result.Valid, data)
		require.InDelta(t, 1, confidence(result), 0)
		requireJSON(t, `{"rulesChecked":0}`, result.Metadata)
	}
	for _, data := range []string{`null`, `7`, `"x"`} {
		require.Equal(t, aureus.Conflict, judge(t, validator, data).FailureCode, data)
	}
}

// Every result can be encoded as JSON and decoded again.
func TestResults_Metadata_HaveAJSONForm(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	for id, config := range map[string]string{
		"cel":    `{"type":"cel","parameters":{"expression":"data.x == 1"}}`,
		"schema": `{"type":"json_schema","parameters":{"schema":{"type":"object","required":["x"],"properties":{"x":{}},"additionalProperties":false}}}`,
		"cross":  `{"type":"cross_field_consistency","parameters":{"rules":[{"name":"r","fields":["x"],"expression":"data.x == 1"}]}}`,
	} {
		_, err := r.Register(t.Context(), id, []byte(config))
		require.NoError(t, err)
	}
	for _, data := range []string{`{}`, `{"y":1}`, `{"x":2}`, `null`, `{"x":1}`} {
		config := aureus.GateConfig{Name: "g", Validators: []string{"cel", "schema", "cross"}, BlockOnFailure: true}
		result := r.Validate(t.Context(), aureus.Commit{ID: "c", Data: parse(t, data)}, config)
		text, err := strictjson.Marshal(result)
		require.NoError(t, err)
		var back aureus.GateResult
		require.NoError(t, strictjson.Unmarshal(text, &back))
		require.Equal(t, data == `{"x":1}`, back.Passed, string(text))
	}
}

func TestRules_CancelledContext_DoNotPass(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for kind, parameters := range map[string]string{
		"cel":                     `{"expression":"true"}`,
		"cross_field_consistency": `{"rules":[{"name":"r","fields":[],"expression":"true"}]}`,
		"json_schema":             `{"schema":true}`,
	} {
		result := register(t, kind, parameters)(ctx, crvgate.Change[any]{Data: map[string]any{}})
		require.False(t, result.Valid, kind)
		require.Equal(t, aureus.ToolError, result.FailureCode, kind)
	}
}

func TestRules_ConcurrentUse_IsSafe(t *testing.T) {
	t.Parallel()
	validators := []crvgate.Validator[any]{
		register(t, "cel", `{"expression":"data.items.all(i, i > 0) && data.items != [1]"}`),
		register(t, "json_schema", `{"schema":{"properties":{"items":{"items":{"minimum":1},"uniqueItems":true}},"patternProperties":{"^i":{"type":"array"}}}}`),
		register(t, "cross_field_consistency", `{"rules":[{"name":"r","fields":["items"],"expression":"size(data.items) > 1"}]}`),
	}
	var group sync.WaitGroup
	for worker := range 4 {
		data := parse(t, `{"items":[1,2]}`)
		if worker%2 == 1 {
			data = parse(t, `{"items":[0]}`)
		}
		group.Go(func() {
			for range 30 {
				for i, validator := range validators {
					if result := validator(t.Context(), crvgate.Change[any]{Data: data}); result.Valid != (worker%2 == 0) {
						t.Errorf("validator %d: %+v", i, result)
					}
				}
			}
		})
	}
	group.Wait()
}

func TestRegister_SameRegistryTwice_Panics(t *testing.T) {
	t.Parallel()
	r := newRegistry()
	require.Panics(t, func() { rules.Register(r) })
}

func requireJSON(t testing.TB, want string, got any) {
	t.Helper()
	text, err := strictjson.Marshal(got)
	require.NoError(t, err)
	require.JSONEq(t, want, string(text))
}
