package schemax_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/schemax"
)

// describe writes a shape in short form: T for a text, N for a number and so on.
func describe(s *schemax.Shape) string {
	if s == nil {
		return "?"
	}
	switch s.Kind {
	case schemax.Bool:
		return "B"
	case schemax.Number:
		return "N"
	case schemax.Text:
		if s.Words != nil {
			return fmt.Sprint("T", s.Words)
		}
		return "T"
	case schemax.List:
		return "[" + describe(s.Item) + "]"
	case schemax.Object:
		return fmt.Sprintf("{closed=%t members=%v}", s.Closed, func() map[string]string {
			members := map[string]string{}
			for name, member := range s.Members {
				members[name] = describe(member)
			}
			return members
		}())
	default:
		return "?"
	}
}

func TestShape_OfASchema_HasOnlyWhatIsCertain(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`true`: "?", `false`: "?", `{}`: "?", `{"type":"null"}`: "?",
		`{"type":"string"}`: "T", `{"type":"integer"}`: "N", `{"type":["number","integer","null"]}`: "N", `{"type":["string","number"]}`: "?", `{"type":"boolean"}`: "B",
		`{"enum":["b","a",null]}`: "T[a b]", `{"const":"x"}`: "T[x]", `{"enum":[1,2]}`: "N", `{"enum":[1,"a"]}`: "?", `{"type":"string","enum":["a",1]}`: "T[a]",
		`{"enum":["a","b"],"allOf":[{"enum":["b","c"]}]}`: "T[b]", `{"enum":["a"],"const":"b"}`: "T[]",
		`{"type":"array"}`: "[?]", `{"type":"array","items":{"type":"string"}}`: "[T]", `{"type":"array","prefixItems":[true],"items":{"type":"string"}}`: "[?]",
		`{"type":"object"}`: "{closed=false members=map[]}", `{"properties":{"a":{"type":"string"}}}`: "?",
		`{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`:                                                              "{closed=true members=map[a:T]}",
		`{"type":"object","properties":{"a":true},"patternProperties":{"^x":true},"additionalProperties":false}`:                                           "{closed=false members=map[a:?]}",
		`{"type":"object","properties":{"a":true},"additionalProperties":{"type":"string"}}`:                                                               "{closed=false members=map[a:?]}",
		`{"type":"object","properties":{"a":{"type":["string","number"]}},"allOf":[{"properties":{"a":{"type":["number","null"]},"b":true}}]}`:             "{closed=false members=map[a:N b:?]}",
		`{"type":"object","properties":{"a":true},"additionalProperties":false,"allOf":[{"properties":{"b":true}}]}`:                                       "{closed=true members=map[a:?]}",
		`{"type":"object","properties":{"a":true,"b":true},"additionalProperties":false,"allOf":[{"properties":{"b":true},"additionalProperties":false}]}`: "{closed=true members=map[b:?]}",
		`{"$ref":"#/$defs/n","$defs":{"n":{"$ref":"#/$defs/m"},"m":{"type":"number"}}}`:                                                                    "N",
		`{"anyOf":[{"type":"string"},{"type":"null"}]}`:                                                                                                    "T", `{"oneOf":[{"type":"string"},{"const":"x"}]}`: "T", `{"anyOf":[{"type":"string"},{"type":"number"}]}`: "?", `{"anyOf":[{"type":"string"},true]}`: "?",
		`{"anyOf":[{"type":"object","properties":{"a":true},"additionalProperties":false}]}`: "{closed=false members=map[]}",
		`{"not":{"type":"string"}}`: "?",
	} {
		require.Equal(t, want, describe(compile(t, text).Shape()), text)
	}
}

// A schema that refers to itself has a shape with an end.
func TestShape_Recursion_IsBounded(t *testing.T) {
	t.Parallel()
	shape := compile(t, `{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"}}}`).Shape()
	count, deepest := 0, 0
	var visit func(*schemax.Shape, int)
	visit = func(s *schemax.Shape, depth int) {
		if s != nil {
			count, deepest = count+1, max(deepest, depth)
			for _, member := range s.Members {
				visit(member, depth+1)
			}
		}
	}
	visit(shape, 1)
	require.Greater(t, count, 100)
	require.LessOrEqual(t, count, 500)
	require.Equal(t, 10, deepest)
}

func TestShapeOf_Constant_HasItsMembers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"a":"x","b":[1,2,null],"c":[1,"x"],"d":null,"e":{"f":true},"g":[],"h":[{"i":1}]}`: "{closed=true members=map[a:T b:[N] c:[?] d:? e:{closed=true members=map[f:B]} g:[?] h:[?]]}",
		`null`: "?", `5`: "N",
	} {
		require.Equal(t, want, describe(schemax.ShapeOf(parse(t, text))), text)
	}
}
