package rules_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A violation has the pointer of the value, the keyword, and the pointer of the keyword
// in the registered schema.
func TestViolations_Pointers_AreThoseOfValueAndKeyword(t *testing.T) {
	for reason, row := range map[string]struct{ schema, data, pointer, keyword, place string }{
		"not":                                {`{"properties":{"a":{"not":{"const":1}}}}`, `{"a":1}`, "/a", "not", "/properties/a/not"},
		"not, at the top":                    {`{"not":{}}`, `1`, "", "not", "/not"},
		"not, in a property named not":       {`{"properties":{"not":{"not":true}}}`, `{"not":1}`, "/not", "not", "/properties/not/not"},
		"propertyNames":                      {`{"items":{"propertyNames":{"maxLength":1}}}`, `[{"a":1},{"bb":1},{"c":1},{"d":1}]`, "/1", "propertyNames", "/items/propertyNames"},
		"propertyNames, deeper":              {`{"properties":{"x":{"propertyNames":{"pattern":"^a"}},"y":{}}}`, `{"y":{"q":1},"x":{"b":1}}`, "/x", "propertyNames", "/properties/x/propertyNames"},
		"propertyNames: false":               {`{"propertyNames":false}`, `{"a":1}`, "", "propertyNames", "/propertyNames"},
		"dependencies, names":                {`{"dependencies":{"a":["b"]}}`, `{"a":1}`, "", "dependencies", "/dependencies/a"},
		"dependencies, a schema":             {`{"dependencies":{"a":{"required":["b"]}}}`, `{"a":1}`, "", "required", "/dependencies/a/required"},
		"dependencies, false":                {`{"dependencies":{"a":false}}`, `{"a":1}`, "", "dependencies", "/dependencies/a"},
		"dependentRequired":                  {`{"items":{"dependentRequired":{"a/b":["c"]}}}`, `[{"a/b":1}]`, "/0", "dependentRequired", "/items/dependentRequired/a~1b"},
		"dependentSchemas":                   {`{"dependentSchemas":{"a":{"properties":{"b":{"type":"string"}}}}}`, `{"a":1,"b":2}`, "/b", "type", "/dependentSchemas/a/properties/b/type"},
		"dependentSchemas, false":            {`{"dependentSchemas":{"type":false}}`, `{"type":1}`, "", "dependentSchemas", "/dependentSchemas/type"},
		"then":                               {`{"if":{"required":["a"]},"then":{"required":["b"]},"else":false}`, `{"a":1}`, "", "required", "/then/required"},
		"then: false":                        {`{"if":true,"then":false}`, `{"a":1}`, "", "then", "/then"},
		"else":                               {`{"if":{"required":["a"]},"then":false,"else":{"properties":{"b":{"minimum":3}}}}`, `{"b":1}`, "/b", "minimum", "/else/properties/b/minimum"},
		"else: false":                        {`{"properties":{"x":{"if":false,"else":false}}}`, `{"x":1}`, "/x", "else", "/properties/x/else"},
		"contains":                           {`{"properties":{"a":{"contains":{"const":1}}}}`, `{"a":[2,3]}`, "/a", "contains", "/properties/a/contains"},
		"contains, an empty array":           {`{"contains":true}`, `[]`, "", "contains", "/contains"},
		"minContains":                        {`{"contains":{"const":1},"minContains":2}`, `[1,2]`, "", "minContains", "/minContains"},
		"maxContains":                        {`{"contains":{"const":1},"maxContains":1}`, `[1,1]`, "", "maxContains", "/maxContains"},
		"unevaluatedProperties: false":       {`{"properties":{"a":{"allOf":[{"properties":{"b":true}}],"unevaluatedProperties":false}}}`, `{"a":{"b":1,"c":2}}`, "/a/c", "unevaluatedProperties", "/properties/a/unevaluatedProperties"},
		"unevaluatedProperties, a schema":    {`{"unevaluatedProperties":{"type":"string"}}`, `{"a~b":1}`, "/a~0b", "type", "/unevaluatedProperties/type"},
		"unevaluatedItems: false":            {`{"prefixItems":[true],"unevaluatedItems":false}`, `[1,2]`, "/1", "unevaluatedItems", "/unevaluatedItems"},
		"oneOf, none":                        {`{"items":{"oneOf":[{"const":1},{"const":2}]}}`, `[1,3]`, "/1", "oneOf", "/items/oneOf"},
		"oneOf, two":                         {`{"items":{"oneOf":[{"minimum":1},{"minimum":2}]}}`, `[1,3]`, "/1", "oneOf", "/items/oneOf"},
		"anyOf":                              {`{"properties":{"oneOf":{"anyOf":[{"const":1},false]}}}`, `{"oneOf":2}`, "/oneOf", "anyOf", "/properties/oneOf/anyOf"},
		"allOf, false":                       {`{"allOf":[true,false]}`, `1`, "", "allOf", "/allOf/1"},
		"allOf, a nested property":           {`{"allOf":[true,{"properties":{"0":{"maximum":1}}}]}`, `{"0":2}`, "/0", "maximum", "/allOf/1/properties/0/maximum"},
		"a property that is not allowed":     {`{"properties":{"items":false}}`, `{"items":1}`, "/items", "properties", "/properties/items"},
		"a property by its pattern":          {`{"patternProperties":{"^x/":false}}`, `{"x/y":1}`, "/x~1y", "patternProperties", "/patternProperties/^x~1"},
		"additionalProperties: false":        {`{"properties":{"a":{"additionalProperties":false}}}`, `{"a":{"b":1}}`, "/a", "additionalProperties", "/properties/a/additionalProperties"},
		"additionalProperties, a schema":     {`{"additionalProperties":{"minLength":3}}`, `{"":"x"}`, "/", "minLength", "/additionalProperties/minLength"},
		"an item that is not allowed":        {`{"prefixItems":[true,false]}`, `[1,2]`, "/1", "prefixItems", "/prefixItems/1"},
		"items: false":                       {`{"prefixItems":[true],"items":false}`, `[1,2]`, "/1", "items", "/items"},
		"a reference":                        {`{"$defs":{"n":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/n"}}}`, `{"a":"x"}`, "/a", "type", "/$defs/n/type"},
		"a reference to false":               {`{"$defs":{"no":false},"properties":{"a":{"$ref":"#/$defs/no"}}}`, `{"a":"x"}`, "/a", "$ref", "/properties/a/$ref"},
		"a dynamic reference":                {`{"$defs":{"n":{"$dynamicAnchor":"n","type":"number"}},"items":{"$dynamicRef":"#n"}}`, `["x"]`, "/0", "type", "/$defs/n/type"},
		"false":                              {`false`, `1`, "", "", ""},
		"a format":                           {`{"items":{"format":"ipv4"}}`, `["::"]`, "/0", "format", "/items/format"},
		"repeated items":                     {`{"properties":{"a":{"uniqueItems":true}}}`, `{"a":[1,2,1]}`, "/a", "uniqueItems", "/properties/a/uniqueItems"},
		"a name that needs an escape in URL": {`{"properties":{"ä %":{"type":"number"}}}`, `{"ä %":"x"}`, "/ä %", "type", "/properties/ä %/type"},
	} {
		t.Run(reason, func(t *testing.T) {
			for range 5 { // the library's order is random
				result := judge(t, schema(t, row.schema), row.data)
				require.False(t, result.Valid)
				require.Len(t, result.Metadata["violations"], 1, fmt.Sprint(result.Metadata))
				violation := result.Metadata["violations"].([]any)[0].(map[string]any)
				got := []any{violation["pointer"], violation["keyword"], violation["schema"]}
				require.Equal(t, []any{row.pointer, row.keyword, row.place}, got)
			}
		})
	}
}

// Each invalid name is reported with the pointer of its object.
func TestViolations_PropertyNames_HaveThePointerOfTheObject(t *testing.T) {
	t.Parallel()
	result := judge(t, schema(t, `{"items":{"propertyNames":{"maxLength":1},"properties":{"a":{"propertyNames":{"minLength":2}}}}}`), `[{"a":{"x":1,"yy":1}},{"bb":1,"cc":2},{"a":{}},{"d":1}]`)
	requireJSON(t, `{"violationCount":3,"violations":[
		{"pointer":"/0/a","keyword":"propertyNames","schema":"/items/properties/a/propertyNames","message":"has a property with a name that is not allowed: \"x\""},
		{"pointer":"/1","keyword":"propertyNames","schema":"/items/propertyNames","message":"has a property with a name that is not allowed: \"bb\""},
		{"pointer":"/1","keyword":"propertyNames","schema":"/items/propertyNames","message":"has a property with a name that is not allowed: \"cc\""}
	]}`, result.Metadata)
}

// Messages show the values that are in the schema.
func TestViolations_Messages_ShowValuesOfTheSchema(t *testing.T) {
	t.Parallel()
	for schemaText, message := range map[string]string{
		`{"const":[1,"a"]}`: `must be [1,"a"]`, `{"const":{"a":1e30}}`: `must be {"a":1e30}`, `{"const":"[x]"}`: `must be "[x]"`, `{"const":null}`: `must be null`,
		`{"enum":[["a"],123456789012345678901]}`: `must be one of ["a"],123456789012345678901`, `{"enum":[[]]}`: `must be one of []`,
		`{"maximum":123456789}`: `must be at most 123456789`, `{"maximum":-1e-30}`: `must be at most -0.000000000000000000000000000001`,
		`{"maximum":1e21}`: "must be at most 1000000000000000000000", `{"exclusiveMaximum":0.125}`: "must be below 0.125", `{"maximum":-0.0}`: "must be at most 0",
		`{"maximum":-1.5e-350}`: "must be at most -1.5e-350",
	} {
		data := `5e21`
		if result := judge(t, schema(t, schemaText), data); result.Reason != "the data "+message {
			t.Errorf("%s: %s", schemaText, result.Reason)
		}
	}
}
