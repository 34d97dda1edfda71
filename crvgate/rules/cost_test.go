package rules_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// list calls item for 0 to n-1 and joins the results with commas.
func list(n int, item func(int) string) string {
	items := make([]string, n)
	for i := range items {
		items[i] = item(i)
	}
	return strings.Join(items, ",")
}

func same(text string) func(int) string { return func(int) string { return text } }

// longNumber is a number with which arithmetic is slow.
func longNumber(i int) string { return fmt.Sprintf("%d.%se399", i%9+1, strings.Repeat("7", 390)) }

// Each of these schemas can take seconds to minutes for one small commit, although few
// keywords are evaluated. The other work of the library must be counted too.
func TestSchemaSteps_EveryKeyword_IsCounted(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	wide := "{" + list(50_000, func(i int) string { return fmt.Sprintf(`"k%d":1`, i) }) + "}"
	chain := list(150, func(i int) string { return fmt.Sprintf(`"a%d":{"$ref":"#/$defs/a%d"}`, i, i+1) })
	for reason, row := range map[string]struct{ schema, data string }{
		"names that are not evaluated yet, copied for each schema true": {`{"allOf":[` + list(5000, same("true")) + `],"unevaluatedProperties":true}`, wide},
		"names copied for each schema that fails at once":               {`{"anyOf":[` + list(4900, same(`{"type":"string"}`)) + `,true],"unevaluatedProperties":{}}`, wide},
		"names copied for each pattern of a name":                       {`{"patternProperties":{` + list(900, func(i int) string { return fmt.Sprintf(`"b|%d":{"type":"string","unevaluatedProperties":true}`, i) }) + `}}`, `{"b":` + wide + `}`},
		"items that are not evaluated yet":                              {`{"allOf":[` + list(5000, same("true")) + `],"unevaluatedItems":true}`, `[` + list(50_000, same("1")) + `]`},
		"numbers compared with an enum":                                 {`{"items":{"enum":[` + list(2000, longNumber) + `]}}`, `[` + list(190, same("8.5")) + `]`},
		"long numbers compared with an enum of short ones":              {`{"items":{"enum":[` + list(9000, same("3")) + `]}}`, `[` + list(90, longNumber) + `]`},
		"numbers in objects of an enum":                                 {`{"items":{"enum":[` + list(900, func(i int) string { return `{"a":[` + longNumber(i) + `]}` }) + `]}}`, `[` + list(90, func(i int) string { return `{"a":[` + longNumber(i+1) + `]}` }) + `]`},
		"long numbers divided":                                          {`{"items":{"multipleOf":` + longNumber(3) + `}}`, `[` + list(9000, longNumber) + `]`},
		"patterns in the data":                                          {`{"items":{"format":"regex"}}`, `[` + list(2000, same(`"`+strings.Repeat("a{999}", 160)+`"`)) + `]`},
		"a dynamic reference after many references":                     {`{"$dynamicAnchor":"n","items":{"$ref":"#/$defs/a0"},"$defs":{` + chain + `,"a150":{"$dynamicRef":"#n"}}}`, strings.Repeat("[", 95) + "[" + list(20_000, same("1")) + "]" + strings.Repeat("]", 95)},
		"a long text, checked many times":                               {`{"allOf":[` + list(3000, same(`{"minLength":1}`)) + `]}`, `"` + strings.Repeat("x", 1_000_000) + `"`},
		"a long name":                                                   {`{"propertyNames":{"allOf":[` + list(3000, same(`{"minLength":1}`)) + `]}}`, `{"` + strings.Repeat("x", 1_000_000) + `":1}`},
		"an enum behind a dynamic reference":                            {`{"items":{"$dynamicRef":"#n"},"$defs":{"n":{"$dynamicAnchor":"n","enum":[` + list(5000, same(`"a"`)) + `]}}}`, `[` + list(400, same(`"a"`)) + `]`},
		"lists in lists, each checked for repeated items":               {`{"$defs":{"n":{"uniqueItems":true,"items":{"$ref":"#/$defs/n"}}},"$ref":"#/$defs/n"}`, strings.Repeat("[", 90) + list(50_000, func(i int) string { return fmt.Sprintf(`"%d"`, i) }) + strings.Repeat("]", 90)},
		"dependencies of one property":                                  {`{"items":{"dependencies":{"a":{"enum":[` + list(5000, same(`"a"`)) + `]}}}}`, `[` + list(400, same(`{"a":1}`)) + `]`},
		"names that a property requires":                                {`{"items":{"dependencies":{"a":[` + list(5000, func(i int) string { return fmt.Sprintf(`"n%d"`, i) }) + `]}}}`, `[` + list(400, same(`{"a":1}`)) + `]`},
	} {
		t.Run(reason, func(t *testing.T) {
			result := judge(t, schema(t, row.schema), row.data)
			require.Equal(t, aureus.ToolError, result.FailureCode, "%.100s", result.Reason)
			require.Contains(t, result.Reason, "steps")
		})
	}
	for reason, row := range map[string]struct{ schema, data string }{
		"many texts of a format":          {`{"items":{"format":"email"}}`, `[` + list(200_000, same(`"a@b.example"`)) + `]`},
		"many numbers with bounds":        {`{"items":{"minimum":0,"maximum":1e9}}`, `[` + list(100_000, strconv.Itoa) + `]`},
		"many different items":            {`{"uniqueItems":true}`, `[` + list(100_000, func(i int) string { return fmt.Sprintf("[%d]", i) }) + `]`},
		"many objects of many properties": {`{"items":{"properties":{` + list(2000, func(i int) string { return fmt.Sprintf(`"k%d":{"minimum":0}`, i) }) + `},"unevaluatedProperties":false}}`, `[` + list(4000, same(`{"k1":1,"k2":2,"k3":3}`)) + `]`},
		"a long text":                     {`{"minLength":1,"maxLength":2000000,"format":"uri","pattern":"^a"}`, `"a:` + strings.Repeat("/a", 500_000) + `"`},
	} {
		t.Run("within the limit: "+reason, func(t *testing.T) {
			result := judge(t, schema(t, row.schema), row.data)
			require.True(t, result.Valid, "%.100s", result.Reason)
		})
	}
}

// The patterns of a schema have a common size limit: without it, many patterns at the
// limit for one pattern would need gigabytes.
func TestRegister_PatternsOfASchema_AreLimitedTogether(t *testing.T) {
	t.Parallel()
	patterns := func(n int) string {
		return `{"type":"json_schema","parameters":{"schema":{"patternProperties":{` + list(n, func(i int) string { return fmt.Sprintf(`"(a|b){900}x%d":true`, i) }) + `}}}}`
	}
	_, err := newRegistry().Register(t.Context(), "rule", []byte(patterns(20)))
	require.NoError(t, err)
	problems := refused(t, patterns(100))
	require.Equal(t, "/parameters/schema", problems[0].Pointer)
	require.Contains(t, problems[0].Message, "more than 100000 instructions together")
}

func TestUniqueItems_EqualValuesInOtherSpelling_AreFound(t *testing.T) {
	t.Parallel()
	validator := schema(t, `{"uniqueItems":true}`)
	filler := "," + list(30, func(i int) string { return fmt.Sprintf(`"filler %d"`, i) })
	for _, pair := range []string{
		`1,1.0`, `1,10e-1`, `0,-0.0`, `-1,-1.00`, `1e2,100`, `{"a":1,"b":2},{"b":2.0,"a":1}`, `[1,[2]],[1.0,[2e0]]`, `"é","\u00e9"`, `null,null`, `{"":{}},{"":{}}`,
		`123456789012345678901234567890,123456789012345678901234567890.0`, `1.5e-7,0.00000015`,
	} {
		for _, items := range []string{pair, pair + filler} {
			result := judge(t, validator, `[`+items+`]`)
			require.Equal(t, aureus.Conflict, result.FailureCode, items)
			require.Contains(t, result.Reason, "0 and 1 are the same")
		}
	}
	for _, pair := range []string{
		`1,"1"`, `1,true`, `0,false`, `0,null`, `"",null`, `[],{}`, `[[]],[[],[]]`, `[[1],2],[[1,2]]`, `{"a":1},{"a":2}`, `{"a":1},{"b":1}`, `1,-1`, `1,10`, `0.1,0.01`,
		`["a","b"],["a\",\"b"]`, `["ab"],["a","b"]`, `{"a":"b"},{"a:b":""}`, `123456789012345678901234567890,123456789012345678901234567891`, `"n",null`, `["1\"2"],["1","2"]`,
	} {
		for _, items := range []string{pair, pair + filler} {
			result := judge(t, validator, `[`+items+`]`)
			require.True(t, result.Valid, items)
		}
	}
}
