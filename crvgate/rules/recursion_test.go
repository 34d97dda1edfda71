package rules_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// A schema that refers to itself for the same value has no defined result, and inside the
// keyword not the library would accept all data. It is refused, for every keyword that
// contains the reference.
func TestSchema_RecursionForTheSameValue_IsRefused(t *testing.T) {
	for reason, schemaText := range map[string]string{
		"$ref":                            `{"$ref":"#"}`,
		"$ref of two":                     `{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}`,
		"$dynamicRef":                     `{"$dynamicAnchor":"n","$dynamicRef":"#n"}`,
		"$dynamicRef to another's anchor": `{"$id":"https://example.com/a","$ref":"b","$defs":{"mine":{"$dynamicAnchor":"n","$ref":"b"},"b":{"$id":"b","$dynamicRef":"#n","$defs":{"theirs":{"$dynamicAnchor":"n"}}}}}`,
		"allOf":                           `{"allOf":[true,{"$ref":"#"}]}`,
		"anyOf":                           `{"anyOf":[true,{"$ref":"#"}]}`,
		"oneOf":                           `{"oneOf":[{"$ref":"#"},true]}`,
		"not":                             `{"not":{"$ref":"#"}}`,
		"if":                              `{"if":{"$ref":"#"},"then":true}`,
		"then":                            `{"if":true,"then":{"$ref":"#"}}`,
		"else":                            `{"if":{"type":"null"},"else":{"$ref":"#"}}`,
		"dependentSchemas":                `{"dependentSchemas":{"a":{"$ref":"#"}}}`,
		"dependentSchemas, inside not":    `{"not":{"dependentSchemas":{"a":{"not":{"$ref":"#"}}}}}`,
		"dependentSchemas of two":         `{"$ref":"#/$defs/a","$defs":{"a":{"dependentSchemas":{"x":{"$ref":"#/$defs/b"}}},"b":{"dependentSchemas":{"y":{"$ref":"#/$defs/a"}}}}}`,
		"dependencies":                    `{"dependencies":{"a":{"$ref":"#"}}}`,
		"dependencies, inside not":        `{"not":{"dependencies":{"a":{"not":{"$ref":"#"}}}}}`,
		"in a property":                   `{"properties":{"a":{"dependentSchemas":{"b":{"$ref":"#/properties/a"}}}}}`,
	} {
		t.Run(reason, func(t *testing.T) {
			problems := refused(t, `{"type":"json_schema","parameters":{"schema":`+schemaText+`}}`)
			require.Contains(t, problems[0].Message, "without end")
			require.True(t, strings.HasPrefix(problems[0].Pointer, "/parameters/schema"))
		})
	}
}

// A schema may refer to itself for an inner value, because the data is finite.
func TestSchema_RecursionForAnInnerValue_IsAccepted(t *testing.T) {
	for reason, row := range map[string]struct{ schema, valid, invalid string }{
		"properties":            {`{"type":"object","properties":{"a":{"$ref":"#"}}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"patternProperties":     {`{"type":"object","patternProperties":{"a":{"$ref":"#"}}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"additionalProperties":  {`{"type":"object","additionalProperties":{"$ref":"#"}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"unevaluatedProperties": {`{"type":"object","unevaluatedProperties":{"$ref":"#"}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"items":                 {`{"type":"array","items":{"$ref":"#"}}`, `[[[]]]`, `[[1]]`},
		"prefixItems":           {`{"type":"array","prefixItems":[{"$ref":"#"}]}`, `[[[],1],1]`, `[[1]]`},
		"contains":              {`{"type":["array","null"],"anyOf":[{"type":"null"},{"contains":{"$ref":"#"}}]}`, `[1,[null]]`, `[1,[2]]`},
		"unevaluatedItems":      {`{"type":"array","unevaluatedItems":{"$ref":"#"}}`, `[[[]]]`, `[[1]]`},
		"dependentSchemas":      {`{"type":"object","dependentSchemas":{"a":{"properties":{"a":{"$ref":"#"}}}}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"dependencies":          {`{"type":"object","dependencies":{"a":{"properties":{"a":{"$ref":"#"}}}}}`, `{"a":{"a":{}}}`, `{"a":{"a":1}}`},
		"propertyNames":         {`{"propertyNames":{"allOf":[{"$ref":"#"},{"maxLength":1}]}}`, `{"a":1}`, `{"aa":1}`},
	} {
		t.Run(reason, func(t *testing.T) {
			validator := schema(t, row.schema)
			require.True(t, judge(t, validator, row.valid).Valid)
			require.Equal(t, aureus.Conflict, judge(t, validator, row.invalid).FailureCode)
		})
	}
}

// A sequence of references may be as long as the limit, but not longer.
func TestSchema_ChainForTheSameValue_IsLimited(t *testing.T) {
	t.Parallel()
	chain := func(n int, link string) string {
		return `{"type":"json_schema","parameters":{"schema":{"$ref":"#/$defs/0","$defs":{` +
			list(n, func(i int) string { return fmt.Sprintf(`"%d":`+link, i, i+1) }) + fmt.Sprintf(`,"%d":{}}}}}`, n)
	}
	for _, link := range []string{`{"$ref":"#/$defs/%d"}`, `{"dependentSchemas":{"a":{"$ref":"#/$defs/%d"}}}`, `{"dependencies":{"a":{"$ref":"#/$defs/%d"}}}`} {
		problems := refused(t, chain(300, link))
		require.Contains(t, problems[0].Message, "leads through more than 200 schemas")
	}
	_, err := newRegistry().Register(t.Context(), "rule", []byte(chain(190, `{"$ref":"#/$defs/%d"}`)))
	require.NoError(t, err)
}
