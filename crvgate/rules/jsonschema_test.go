package rules_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

func schema(t testing.TB, text string) crvgate.Validator[any] {
	t.Helper()
	return register(t, "json_schema", `{"schema":`+text+`}`)
}

func TestJSONSchema_Data_HasTheExpectedResult(t *testing.T) {
	const order = `{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"type": "object", "required": ["id", "lines"],
		"properties": {
			"id": {"type": "string", "format": "uuid"},
			"lines": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/line"}}
		},
		"$defs": {"line": {"type": "object", "required": ["sku"], "properties": {"count": {"type": "integer", "minimum": 1}}}}}`
	for reason, row := range map[string]struct {
		schema, data string
		code         aureus.FailureTaxonomy // empty: it passes
		message      string
	}{
		"it matches":                             {order, `{"id":"123e4567-e89b-12d3-a456-426614174000","lines":[{"sku":"a","count":1}]}`, "", ""},
		"properties are absent":                  {order, `{}`, aureus.MissingData, `the data lacks "id", "lines"`},
		"a nested property is absent":            {order, `{"id":"123e4567-e89b-12d3-a456-426614174000","lines":[{}]}`, aureus.MissingData, `/lines/0 lacks "sku"`},
		"one property is absent and one invalid": {order, `{"id":"123e4567-e89b-12d3-a456-426614174000","lines":[{"count":0}]}`, aureus.Conflict, "and 1 more"},
		"null is not absent":                     {order, `{"id":null,"lines":[{"sku":"a"}]}`, aureus.Conflict, "/id must be of type string, not null"},
		"null data":                              {order, `null`, aureus.Conflict, "the data must be of type object, not null"},
		"a value is too small":                   {order, `{"id":"123e4567-e89b-12d3-a456-426614174000","lines":[{"sku":"a","count":0}]}`, aureus.Conflict, "/lines/0/count must be at least 1"},
		"2.0 is an integer":                      {`{"type":"integer"}`, `2.0`, "", ""},
		"a fraction is not an integer":           {`{"type":"integer"}`, `2.5`, aureus.Conflict, "must be of type integer, not number"},
		"a format is an assertion":               {order, `{"id":"nix","lines":[{"sku":"a"}]}`, aureus.Conflict, "/id is not of the format uuid"},
		"the schema true":                        {`true`, `{"a":1}`, "", ""},
		"the schema false":                       {`false`, `{"a":1}`, aureus.Conflict, "is not allowed"},
		"integers beyond 2^53 are exact":         {`{"const":9007199254740993}`, `9007199254740992`, aureus.Conflict, "must be 9007199254740993"},
		"integers beyond 64 bits are exact":      {`{"maximum":123456789012345678901234}`, `123456789012345678901235`, aureus.Conflict, "must be at most 123456789012345678901234"},
		"fractions are exact":                    {`{"multipleOf":0.1}`, `0.3`, "", ""},
		"1 and 1.0 are the same item":            {`{"uniqueItems":true}`, `[1,1.0]`, aureus.Conflict, "0 and 1 are the same"},
		"a number with too many digits":          {`{"type":"number"}`, `[1,{"a":1e100000}]`, aureus.Conflict, `the number at "/1/a"`},
		"alternatives with absent properties":    {`{"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{}`, aureus.MissingData, "matches none of the schemas of anyOf"},
		"alternatives, one of another type":      {`{"anyOf":[{"required":["a"]},{"type":"string"}]}`, `{}`, aureus.Conflict, "matches none of the schemas of anyOf"},
		"more than one alternative":              {`{"oneOf":[{"minimum":1},{"minimum":2}]}`, `3`, aureus.Conflict, "more than one"},
		"not":                                    {`{"not":{"required":["a"]}}`, `{"a":1}`, aureus.Conflict, "the schema of not"},
		"a property that another needs":          {`{"dependentRequired":{"a":["b"]}}`, `{"a":1}`, aureus.MissingData, `lacks "b", which "a" needs`},
		"additional properties":                  {`{"properties":{"a":true},"additionalProperties":false}`, `{"a":1,"c":1,"b":2}`, aureus.Conflict, `must not have "b", "c"`},
		"an unevaluated property":                {`{"allOf":[{"properties":{"a":true}}],"unevaluatedProperties":false}`, `{"a":1,"b":2}`, aureus.Conflict, "/b is not allowed"},
		"the standard's own metaschema":          {`{"$ref":"https://json-schema.org/draft/2020-12/schema"}`, `{"type":"strin"}`, aureus.Conflict, "/type"},
		"a subschema by its $id":                 {`{"$defs":{"a":{"$id":"urn:example:a","type":"string"}},"$ref":"urn:example:a"}`, `1`, aureus.Conflict, "must be of type string"},
		"a subschema by its anchor":              {`{"$defs":{"a":{"$anchor":"text","type":"string"}},"$ref":"#text"}`, `1`, aureus.Conflict, "must be of type string"},
		"a tree that refers to itself, extended": {`{"$id":"https://example.com/strict","$dynamicAnchor":"node","$ref":"tree","unevaluatedProperties":false,"$defs":{"tree":{"$id":"tree","$dynamicAnchor":"node","type":"object","properties":{"data":true,"children":{"type":"array","items":{"$dynamicRef":"#node"}}}}}}`, `{"children":[{"daat":1}]}`, aureus.Conflict, "is not allowed"},
		"content is not checked":                 {`{"contentEncoding":"base64","contentMediaType":"application/json"}`, `"%"`, "", ""},
		"an unknown keyword is an annotation":    {`{"x-owner":"ann","example":1}`, `1`, "", ""},
	} {
		t.Run(reason, func(t *testing.T) {
			result := judge(t, schema(t, row.schema), row.data)
			require.Equal(t, row.code == "", result.Valid, result.Reason)
			require.Equal(t, row.code, result.FailureCode, result.Reason)
			require.Contains(t, result.Reason, row.message)
			require.Equal(t, row.code.Remediation(), result.Remediation)
			require.InDelta(t, 1, confidence(result), 0)
		})
	}
}

func TestViolations_SeveralKeywords_AreListedInOrder(t *testing.T) {
	t.Parallel()
	validator := schema(t, `{"type":"object","required":["a/b"],"properties":{"x":{"type":"array","items":{"minimum":1,"multipleOf":0.5}}}}`)
	for range 20 { // the order of the library is random
		result := judge(t, validator, `{"x":[0,0.7]}`)
		requireJSON(t, `{
			"violationCount": 4,
			"missingFields": ["/a~1b"],
			"violations": [
				{"pointer": "", "keyword": "required", "schema": "/required", "message": "lacks \"a/b\""},
				{"pointer": "/x/0", "keyword": "minimum", "schema": "/properties/x/items/minimum", "message": "must be at least 1"},
				{"pointer": "/x/1", "keyword": "minimum", "schema": "/properties/x/items/minimum", "message": "must be at least 1"},
				{"pointer": "/x/1", "keyword": "multipleOf", "schema": "/properties/x/items/multipleOf", "message": "must be a multiple of 0.5"}
			]}`, result.Metadata)
		require.Equal(t, `the data lacks "a/b", and 3 more`, result.Reason)
	}
}

func TestViolations_Many_AreCountedAndLimited(t *testing.T) {
	t.Parallel()
	validator := schema(t, `{"items":{"required":["a"]}}`)
	result := judge(t, validator, `[`+strings.Repeat(`{},`, 5000)+`{}]`)
	violations, _ := result.Metadata["violations"].([]any)
	missing, _ := result.Metadata["missingFields"].([]any)
	require.Len(t, violations, rules.MaxViolations)
	require.Len(t, missing, rules.MaxViolations)
	requireJSON(t, `5001`, result.Metadata["violationCount"])
	require.Less(t, len(result.Reason), 1000)
}

func TestViolations_Data_IsNotShown(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`{"properties":{"p":{"pattern":"^x"}}}`, `{"properties":{"p":{"format":"email"}}}`, `{"properties":{"p":{"enum":["a"]}}}`,
		`{"properties":{"p":{"const":1}}}`, `{"properties":{"p":{"type":"number"}}}`, `{"properties":{"p":{"maxLength":1}}}`,
		`{"properties":{"p":{"not":{"type":"string"}}}}`, `{"properties":{"p":false}}`, `{"additionalProperties":{"minLength":50}}`,
		`{"properties":{"p":{"format":"date-time"}}}`, `{"properties":{"p":{"format":"regex"}}}`, `{"properties":{"p":{"format":"uri"}}}`,
	} {
		result := judge(t, schema(t, text), `{"p":"hunter2("}`)
		require.False(t, result.Valid, text)
		require.NotContains(t, fmt.Sprint(result), "hunter2", text)
	}
}

// A file with a schema is not read, even if it exists.
func TestSchema_Reference_ReadsNoFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "schema.json")
	require.NoError(t, os.WriteFile(path, []byte(`{"type":"string"}`), 0o600))
	for _, reference := range []string{"file://" + path, path, "file://localhost" + path} {
		problems := refused(t, fmt.Sprintf(`{"type":"json_schema","parameters":{"schema":{"items":{"$ref":%q}}}}`, reference))
		require.Equal(t, "/parameters/schema/items/$ref", problems[0].Pointer)
		require.Contains(t, problems[0].Message, "outside the document")
	}
}

func deep(levels int) string {
	return strings.Repeat("[", levels) + "1" + strings.Repeat("]", levels)
}

// Small schemas whose time is exponential in the depth of the data.
var exponential = map[string]string{
	"each item twice":             `{"$defs":{"n":{"allOf":[{"items":{"$ref":"#/$defs/n"}},{"items":{"$ref":"#/$defs/n"}}]}},"$ref":"#/$defs/n"}`,
	"inside not":                  `{"$defs":{"n":{"type":"array","items":{"$ref":"#/$defs/n"},"contains":{"$ref":"#/$defs/n"},"minItems":5}},"not":{"$ref":"#/$defs/n"}}`,
	"by a dynamic reference":      `{"$defs":{"n":{"$dynamicAnchor":"n","allOf":[{"items":{"$dynamicRef":"#n"}},{"items":{"$dynamicRef":"#n"}}]}},"$ref":"#/$defs/n"}`,
	"two references in each":      doubling(40),
	"with an enum at every level": `{"$defs":{"n":{"anyOf":[{"items":{"$ref":"#/$defs/n"},"minItems":2},{"items":{"$ref":"#/$defs/n"},"maxItems":0},{"enum":[1,2,3]}]}},"$ref":"#/$defs/n"}`,
	"with conditions":             `{"$defs":{"n":{"if":{"items":{"$ref":"#/$defs/n"}},"then":{"items":{"$ref":"#/$defs/n"}},"else":{"items":{"$ref":"#/$defs/n"}}}},"$ref":"#/$defs/n"}`,
	"with unevaluated items":      `{"$defs":{"n":{"contains":{"$ref":"#/$defs/n"},"minContains":0,"unevaluatedItems":{"$ref":"#/$defs/n"},"prefixItems":[{"$ref":"#/$defs/n"}],"minItems":3}},"$ref":"#/$defs/n"}`,
	"with items and contains":     `{"$defs":{"n":{"items":{"$ref":"#/$defs/n"},"contains":{"$ref":"#/$defs/n"}}},"$ref":"#/$defs/n"}`,
}

// doubling returns a schema in which each subschema applies the next one twice to the same
// value.
func doubling(levels int) string {
	var text strings.Builder
	text.WriteString(`{"$ref":"#/$defs/0","$defs":{`)
	for i := range levels {
		fmt.Fprintf(&text, `"%d":{"allOf":[{"$ref":"#/$defs/%d"},{"$ref":"#/$defs/%d"}]},`, i, i+1, i+1)
	}
	fmt.Fprintf(&text, `"%d":{"type":["array","number"]}}}`, levels)
	return text.String()
}

func TestSchemaSteps_ExpensiveSchema_IsToolError(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	for reason, text := range exponential {
		t.Run(reason, func(t *testing.T) {
			result := judge(t, schema(t, text), deep(80))
			require.Equal(t, aureus.ToolError, result.FailureCode, result.Reason)
			require.Contains(t, result.Reason, "steps")
			require.Nil(t, result.Metadata)
		})
	}
	for reason, row := range map[string]struct{ schema, data string }{
		"a pattern for a long text":   {`{"pattern":"^(a?){500}b$"}`, `"` + strings.Repeat("a", 1_000_000) + `"`},
		"a long enum for many items":  {`{"items":{"enum":[` + strings.Repeat("1,", 5000) + `1]}}`, `[` + strings.Repeat("2,", 5000) + `2]`},
		"many patterns for each name": {`{"patternProperties":{` + manyPatterns(400) + `}}`, `{` + manyNames(5000) + `}`},
	} {
		t.Run(reason, func(t *testing.T) {
			result := judge(t, schema(t, row.schema), row.data)
			require.Equal(t, aureus.ToolError, result.FailureCode, result.Reason)
		})
	}
	t.Run("a stopped validation does not affect the next", func(t *testing.T) {
		validator := schema(t, exponential["each item twice"])
		require.False(t, judge(t, validator, deep(80)).Valid)
		require.True(t, judge(t, validator, deep(3)).Valid)
	})
	t.Run("more violations than can be listed", func(t *testing.T) {
		result := judge(t, schema(t, `{"items":{"required":["a"]}}`), `[`+strings.Repeat(`{},`, 60_000)+`{}]`)
		require.Equal(t, aureus.Conflict, result.FailureCode)
		require.Contains(t, result.Reason, "too many violations to list")
	})
	t.Run("large data with a cheap schema passes", func(t *testing.T) {
		validator := schema(t, `{"items":{"type":"object","required":["a"],"properties":{"a":{"type":"integer","minimum":0}}}}`)
		result := judge(t, validator, `[`+strings.Repeat(`{"a":1},`, 50_000)+`{"a":1}]`)
		require.True(t, result.Valid, result.Reason)
	})
	t.Run("too many schemas for one value", func(t *testing.T) {
		var text strings.Builder
		for i := range 300 {
			fmt.Fprintf(&text, `"%d":{"$ref":"#/$defs/%d"},`, i, i+1)
		}
		problems := refused(t, `{"type":"json_schema","parameters":{"schema":{"$ref":"#/$defs/0","$defs":{`+text.String()+`"300":{}}}}}`)
		require.Contains(t, problems[0].Message, "leads through more than 200 schemas")
	})
}

func manyPatterns(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"^(a|b){1,20}x%d$":true`, i)
	}
	return strings.Join(list, ",")
}

func manyNames(n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"abababababababababab%d":1`, i)
	}
	return strings.Join(list, ",")
}

func TestJSONSchema_ContextEnds_StopsValidation(t *testing.T) {
	t.Parallel()
	ctx := &endsAfter{Context: t.Context(), looks: 3}
	result := schema(t, exponential["each item twice"])(ctx, crvgate.Change[any]{Data: parse(t, deep(80))})
	require.Equal(t, aureus.ToolError, result.FailureCode)
	require.Contains(t, result.Reason, context.Canceled.Error())
}

// endsAfter is a context that ends after a number of calls of Err.
type endsAfter struct {
	context.Context

	looks int
}

func (c *endsAfter) Err() error {
	c.looks--
	if c.looks < 0 {
		return context.Canceled
	}
	return nil
}

func TestJSONSchema_ConcurrentUse_IsSafe(t *testing.T) {
	t.Parallel()
	validator := schema(t, exponential["each item twice"])
	var group sync.WaitGroup
	for worker := range 4 {
		data := parse(t, deep(3+77*(worker%2)))
		group.Go(func() {
			for range 3 {
				if result := validator(t.Context(), crvgate.Change[any]{Data: data}); result.Valid != (worker%2 == 0) {
					t.Errorf("%+v", result)
				}
			}
		})
	}
	group.Wait()
}
