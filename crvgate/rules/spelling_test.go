package rules_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A misspelt keyword would check nothing, so it is refused with its pointer.
func TestSchema_MisspeltKeyword_IsRefused(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"maxLenght": "write maxLength", "max_length": "write maxLength", "maxlength": "write maxLength", "MaxLength": "write maxLength", "max-length": "write maxLength",
		"mxaLength": "write maxLength", "maxLengths": "write maxLength", "minimun": "write minimum", "maxium": "write maximum", "reqired": "write required",
		"requires": "write required", "additionalPropreties": "write additionalProperties", "additional_properties": "write additionalProperties",
		"unevaluatedPropertys": "or x-unevaluatedPropertys", "enums": "write enum", "consts": "write const", "types": "write type", "patern": "write pattern",
		"exclusiveMinumum": "write exclusiveMinimum", "uniqeItems": "write uniqueItems", "item": "write items", "propertis": "write properties", "formats": "write format",
		"anyof": "write anyOf", "ref": "write $ref", "thenn": "write then", "dependantRequired": "write dependentRequired", "$Ref": "write $ref", "Title": "write title",
		"additionalItems": "write prefixItems", "$recursiveRef": "write $dynamicRef", "divisibleBy": "write multipleOf", "multiple_of": "write multipleOf",
	} {
		for place, schemaText := range map[string]string{
			"":                    `{"` + name + `":1}`,
			"/properties/a":       `{"properties":{"a":{"` + name + `":1}}}`,
			"/$defs/s/items":      `{"$ref":"#/$defs/s","$defs":{"s":{"$id":"https://example.com/s","items":{"` + name + `":1}}}}`,
			"/allOf/0/not":        `{"allOf":[{"not":{"` + name + `":1,"type":"object"}}]}`,
			"/dependentSchemas/a": `{"dependentSchemas":{"a":{"` + name + `":1}}}`,
			"/dependencies/a":     `{"dependencies":{"a":{"` + name + `":1}}}`,
		} {
			problems := refused(t, `{"type":"json_schema","parameters":{"schema":`+schemaText+`}}`)
			require.Equal(t, "/parameters/schema"+place+"/"+name, problems[0].Pointer, schemaText)
			require.Contains(t, problems[0].Message, message)
			require.Contains(t, problems[0].Message, "checks nothing")
		}
	}
}

// Names that resemble no keyword are annotations.
func TestSchema_UnknownKeyword_IsAnAnnotation(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"x-owner", "x-maxLenght", "owner", "example", "nullable", "discriminator", "xml", "externalDocs", "unit", "notes", "comment", "version", "order", "id", "name",
		"label", "markdownDescription", "enumNames", "enumDescriptions", "errorMessage", "tags", "group", "content", "since", "seeAlso", "display", "const2025", "",
	} {
		require.True(t, judge(t, schema(t, `{"`+name+`":"y"}`), `1`).Valid, name)
	}
	// Names of properties and names inside values are not keywords.
	require.True(t, judge(t, schema(t, `{"properties":{"maxLenght":true},"default":{"reqired":1},"examples":[{"type_":1}],"required":["maxLenght"],"const":{"maxLenght":1}}`), `{"maxLenght":1}`).Valid)
}
