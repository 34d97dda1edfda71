package schemax_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/schemax"
	"github.com/farmountain/aureus-go/internal/steps"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

func parse(t *testing.T, text string) any {
	t.Helper()
	value, err := strictjson.Parse([]byte(text))
	require.NoError(t, err)
	return value
}

func compile(t *testing.T, text string) *schemax.Schema {
	t.Helper()
	schema, problems := schemax.Compile(parse(t, text))
	require.Empty(t, problems)
	return schema
}

// The results for each keyword are tested in crvgate/rules.
func TestSchema_Validate_ReportsWhatDiffers(t *testing.T) {
	t.Parallel()
	schema := compile(t, `{"type":"object","properties":{"amount":{"type":"number","maximum":100},"to":{"type":"string"}},"required":["to"],"additionalProperties":false}`)
	outcome, err := schema.Validate(t.Context(), parse(t, `{"amount":1.5,"to":"acme"}`))
	require.NoError(t, err)
	require.Equal(t, schemax.Outcome{Matches: true}, outcome)

	outcome, err = schema.Validate(t.Context(), parse(t, `{"amount":101}`))
	require.NoError(t, err)
	require.Equal(t, schemax.Outcome{Violations: []schemax.Violation{
		{Keyword: "required", Schema: "/required", Message: `lacks "to"`, Missing: []string{"/to"}},
		{Pointer: "/amount", Keyword: "maximum", Schema: "/properties/amount/maximum", Message: "must be at most 100"},
	}}, outcome)

	outcome, err = schema.Validate(t.Context(), parse(t, `{}`))
	require.NoError(t, err)
	require.True(t, outcome.OnlyMissing)
	require.False(t, outcome.Matches)
}

func TestCompile_InvalidDocument_HasAProblemWithItsPointer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]schemax.Problem{
		`{"properties":{"a":{"maxLenght":1}}}`:               {Pointer: "/properties/a/maxLenght", Message: "checks nothing: write maxLength, or x-maxLenght if it is your own annotation"},
		`{"properties":{"a":{"type":"text"}}}`:               {Pointer: "/properties/a/type", Message: `must be one of "array","boolean","integer","null","number","object","string"`},
		`{"$ref":"#"}`:                                       {Message: "refers to itself without end, for the same value"},
		`{"$ref":"https://example.com/x"}`:                   {Pointer: "/$ref", Message: "refers to something outside the document, which is not loaded: put it under $defs and refer to #/$defs/…"},
		`{"maximum":1e401}`:                                  {Pointer: "/maximum", Message: "has more than 400 digits, or an exponent beyond that"},
		`[` + strings.Repeat("1,", schemax.MaxValues) + `1]`: {Message: "has 10002 values, and the limit is 10000"},
		`7`: {Message: "must be of type boolean or object, not number"},
	} {
		schema, problems := schemax.Compile(parse(t, text))
		require.Nil(t, schema)
		require.Equal(t, []schemax.Problem{want}, problems, "%.60s", text)
	}
}

func TestSchema_ValidateTooExpensive_IsAnError(t *testing.T) {
	t.Parallel()
	schema := compile(t, `{"items":{"multipleOf":0.01}}`)
	_, err := schema.Validate(t.Context(), parse(t, `[1e401]`))
	var number *schemax.NumberError
	require.ErrorAs(t, err, &number)
	require.Equal(t, "/0", number.Pointer)
	require.EqualError(t, err, `the number at "/0" has more than 400 digits, or an exponent beyond that`)

	_, err = schema.Validate(t.Context(), parse(t, `[`+strings.Repeat("1e399,", 20_000)+`1]`))
	require.ErrorIs(t, err, schemax.ErrSteps)

	ended, end := context.WithCancel(t.Context())
	end()
	_, err = schema.Validate(ended, parse(t, `[1]`))
	require.ErrorIs(t, err, context.Canceled)
}

func TestSchema_Validate_SpendsTheBudgetOfTheContext(t *testing.T) {
	t.Parallel()
	schema, budget := compile(t, `{"items":{"type":"number"}}`), steps.New(100)
	ctx := steps.With(t.Context(), budget)
	_, err := schema.Validate(ctx, parse(t, `[1,2,3]`))
	require.NoError(t, err)
	require.Less(t, budget.Left(100), 100)
	_, err = schema.Validate(ctx, parse(t, `[`+strings.Repeat("1,", 100)+`1]`))
	require.ErrorContains(t, err, "used up")
	require.Zero(t, budget.Left(100))
}
