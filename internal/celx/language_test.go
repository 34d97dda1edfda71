package celx_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const document = `{
	"amount": 5, "half": 0.5, "zero": 0, "text": "abc", "none": null, "yes": true, "index": 1,
	"items": [{"price": 1}, {"price": 2}],
	"below": 9007199254740991, "two": 2, "at": 9007199254740992, "beyond": 9007199254740993,
	"unsigned": 18446744073709551615, "wei": 123456789012345678901234, "round": 1e20, "range": 1e400
}`

func parse(t testing.TB, text string) any {
	t.Helper()
	value, err := strictjson.Parse([]byte(text))
	require.NoError(t, err)
	return value
}

var language = celx.New("data", "previous")

func condition(t testing.TB, text string) *celx.Condition {
	t.Helper()
	compiled, err := language.Condition(text)
	require.NoError(t, err, text)
	return compiled
}

func TestCondition_Holds_EvaluatesTheExpression(t *testing.T) {
	t.Parallel()
	data := parse(t, document)
	for text, want := range map[string]bool{
		`data.amount + 1 == 6`:                                     true,
		`1 + data.amount == 6`:                                     true,
		`1.0 + data.amount == 6.0`:                                 true,
		`data.amount + 1 > 5.5`:                                    true,
		`data.amount - 1 == 4 && data.amount * 2 == 10`:            true,
		`data.amount / 2 == 2.5`:                                   true,
		`7 / 2 == 3 && 7.0 / 2 == 3.5`:                             true,
		`data.amount % 2 == 1`:                                     true,
		`-data.amount < 0`:                                         true,
		`1 + 1.5 == 2.5`:                                           true,
		`uint(data.amount) + 1u == 6u`:                             true,
		`data.amount in [1, 5]`:                                    true,
		`type(data.amount) == double`:                              true,
		`string(data.amount) == "5"`:                               true,
		`data.amount == "5"`:                                       false,
		`data.items[data.index].price == 2`:                        true,
		`data["amount"] == 5`:                                      true,
		`data.items.all(i, i.price > 0)`:                           true,
		`data.items.exists(i, i.price > 2)`:                        false,
		`data.items.map(i, i.price * 2) == [2, 4]`:                 true,
		`size(data.items) * 2 < data.amount`:                       true,
		`has(data.missing)`:                                        false,
		`has(previous.missing)`:                                    false,
		`previous == null`:                                         true,
		`has(data.none) && data.none == null`:                      true,
		`data.text.contains("b") && data.text.matches("^a")`:       true,
		`data.missing > 1 || data.amount == 5`:                     true,
		`duration("1h") > duration("1m")`:                          true,
		`timestamp("2024-01-01T00:00:00Z").getHours() == 0`:        true,
		`data.beyond == data.at`:                                   false,
		`data.beyond > data.at && data.at > data.below`:            true,
		`data.beyond == 9007199254740993`:                          true,
		`data.beyond == 9007199254740992`:                          false,
		`data.beyond in [9007199254740992]`:                        false,
		`data.below + data.two == data.beyond`:                     true,
		`data.beyond - data.two == data.below`:                     true,
		`data.beyond + 1 == 9007199254740994`:                      true,
		`data.beyond % data.two == 1`:                              true,
		`data.unsigned > data.beyond && data.unsigned > 1`:         true,
		`data.round == 1e20 && data.round > data.unsigned`:         true,
		`data.below * data.below > data.below || true`:             true,
		`[data.beyond] == [data.at] || {"a": data.beyond} == data`: false,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			holds, err := condition(t, text).Holds(t.Context(), data, nil)
			require.NoError(t, err)
			require.Equal(t, want, holds)
		})
	}
}

func TestCondition_InvalidValues_ReturnEvalError(t *testing.T) {
	t.Parallel()
	data := parse(t, document)
	for reason, row := range map[string]struct{ text, message, key string }{
		"a missing key":                        {`data.missing > 1`, `"missing" is missing (line 1, column 5)`, "missing"},
		"a missing key of a missing value":     {`previous.x == 1`, `"x" is missing`, "x"},
		"a key of a number":                    {`data.amount.x == 1`, `"x" is missing`, "x"},
		"a text compared with a number":        {`data.text > 1`, "of types that it does not accept", ""},
		"in with a value that is not a list":   {`1 in data.amount`, "of types that it does not accept", ""},
		"an index out of range":                {`data.items[7].price == 1`, "out of bounds", ""},
		"division of doubles by zero":          {`data.amount / data.zero > 1`, "division by zero", ""},
		"division of integers by zero":         {`size(data.items) / 0 > 1`, "division by zero", ""},
		"a remainder by zero":                  {`data.amount % data.zero == 1`, "division by zero", ""},
		"a remainder of a fraction":            {`data.half % 2 == 1`, "needs whole numbers", ""},
		"a number that no type can hold":       {`data.wei > 1`, "cannot be represented exactly", ""},
		"a number beyond all doubles":          {`data.range > 1`, "cannot be represented exactly", ""},
		"an exact number and a fraction":       {`data.beyond + data.half > 1`, "would be rounded", ""},
		"a quotient of an exact number":        {`data.beyond / 2 > 1`, "would be rounded", ""},
		"a whole result that no type can hold": {`data.below * data.below * data.below > 1`, "cannot be represented exactly", ""},
		"a result beyond all doubles":          {`1e308 * data.amount * 1e308 > 1`, "cannot be represented exactly", ""},
		"integers that overflow":               {`9223372036854775807 + size(data.items) > 1`, "out of range", ""},
		"a text that is not a number":          {`int(data.text) == 1`, "could not be converted", ""},
		"a text that is not a time":            {`timestamp(data.text) == timestamp(data.text)`, "could not be converted", ""},
		"an invalid pattern":                   {`data.text.matches("(" + data.text)`, "not a regular expression of RE2", ""},
		"a pattern that is too large":          {`data.text.matches("(a{500}){2}" + data.text)`, "too large", ""},
		"a comprehension over a number":        {`data.amount.all(x, x > 1)`, "of types that it does not accept", ""},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			holds, err := condition(t, row.text).Holds(t.Context(), data, nil)
			require.False(t, holds)
			failure, ok := errors.AsType[*celx.EvalError](err)
			require.True(t, ok, "%T", err)
			require.ErrorContains(t, err, row.message)
			require.Equal(t, row.key, failure.Key)
			require.Equal(t, row.key != "", errors.Is(err, celx.ErrMissing))
			require.NotContains(t, err.Error(), "abc", "errors must not contain values")
		})
	}
}

func TestCondition_InvalidExpression_ReturnsCompileError(t *testing.T) {
	t.Parallel()
	for reason, row := range map[string]struct {
		text         string
		line, column int
		message      string
	}{
		"no expression":                    {"data. &&", 1, 7, "Syntax error"},
		"an unknown variable":              {"data.a ==\n  foo", 2, 3, "undeclared reference to 'foo'"},
		"an unknown function":              {"now() > data.at", 1, 4, "undeclared reference to 'now'"},
		"a result that is not boolean":     {`"x"`, 0, 0, "must give true or false, but gives string"},
		"an unknown type":                  {"data.approved", 0, 0, "compare it, as in value == true"},
		"a sum":                            {"data.amount + 1", 0, 0, "must give true or false"},
		"kinds that never match":           {"size(data) == 1.0", 1, 12, "write 1.0 instead of 1"},
		"branches that never match":        {"(true ? 1 : 1.5) > 0", 1, 7, "write 1.0 instead of 1"},
		"a text compared with a number":    {`"a" > 1`, 1, 5, "no matching overload"},
		"an invalid pattern":               {`data.a.matches("(")`, 1, 16, "matches"},
		"an invalid time":                  {`timestamp("noon") == data.a`, 1, 11, "timestamp"},
		"the machine's time zones":         {`timestamp("2024-01-01T00:00:00Z").getHours("Europe/Berlin") == 1`, 1, 43, "no matching overload"},
		"too long":                         {strings.Repeat(" ", celx.MaxExpression) + "true", 0, 0, "size"},
		"nested too deep":                  {strings.Repeat("(", 500) + "true" + strings.Repeat(")", 500), 0, 0, ""},
		"nested too deep, in lists":        {strings.Repeat("[", 300) + strings.Repeat("]", 300) + " == data", 0, 0, ""},
		"a pattern with a huge repetition": {`data.a.matches("((a{100}){100}){100}")`, 0, 0, ""},
		"the accumulator of a macro":       {`__result__ == 1`, 0, 0, "undeclared"},
		"a method called as a function":    {`contains("a", "b")`, 0, 0, ""},
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			_, err := language.Condition(row.text)
			failure, ok := errors.AsType[*celx.CompileError](err)
			require.True(t, ok, "%v", err)
			require.NotEmpty(t, failure.Problems)
			require.ErrorContains(t, err, row.message)
			if row.line > 0 {
				require.Equal(t, row.line, failure.Problems[0].Line)
				require.Equal(t, row.column, failure.Problems[0].Column)
			}
		})
	}
}

func TestCondition_ExpensiveExpression_IsStopped(t *testing.T) {
	t.Parallel()
	items := make([]any, 2000)
	for i := range items {
		items[i] = strings.Repeat("x", 100)
	}
	data := map[string]any{"items": items, "text": strings.Repeat("a", 1<<20), "deep": []any{make([]any, 20_000)}}
	wide := make([]any, 200_000)
	for reason, text := range map[string]string{
		"a loop in a loop":           `data.items.all(a, data.items.all(b, a == b))`,
		"nested constant lists":      `[1,2,3,4,5,6,7,8,9,10].all(a, [1,2,3,4,5,6,7,8,9,10].all(b, [1,2,3,4,5,6,7,8,9,10].all(c, [1,2,3,4,5,6,7,8,9,10].all(d, [1,2,3,4,5,6,7,8,9,10].all(e, a + b + c + d + e > 0)))))`,
		"a text that doubles":        `["x"].map(a, data.text + data.text).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a).map(a, a + a)[0] != ""`,
		"a pattern for a long text":  `data.text.matches("(a?){99}b")`,
		"a pattern in the data":      `data.text.matches(data.text) || data.text.matches("(a*)*(b|c)" + data.text)`,
		"lists of lists of one list": `[data.items]` + strings.Repeat(`.map(a, [a, a])`, 45) + `[0] == [data.items]` + strings.Repeat(`.map(a, [a, a])`, 45) + `[0]`,
		"lists of lists, with in":    `[data.items]` + strings.Repeat(`.map(a, [a, a])`, 45) + `[0] in [data.items]` + strings.Repeat(`.map(a, [a, a])`, 46) + `[0]`,
		"maps of maps of one list":   `[data.items]` + strings.Repeat(`.map(a, {"a": a, "b": a})`, 45) + `[0] != [data.items]` + strings.Repeat(`.map(a, {"a": a, "b": a})`, 45) + `[0]`,
		"large values in a loop":     `data.items.all(x, data.deep == data.deep)`,
		"members in a loop":          `data.items.all(x, !(x in data.deep[0]))`,
		"many concatenations":        strings.Repeat("data.text + ", 90) + `"" != ""`,
	} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			holds, err := condition(t, text).Holds(t.Context(), data, nil)
			require.False(t, holds)
			require.Error(t, err)
		})
	}
	t.Run("cheap expressions are allowed on large data", func(t *testing.T) {
		t.Parallel()
		holds, err := condition(t, `size(data.items) == 2000 && data.text.startsWith("aa")`).Holds(t.Context(), data, nil)
		require.NoError(t, err)
		require.True(t, holds)
	})
	t.Run("a single comparison of large values is allowed", func(t *testing.T) {
		t.Parallel()
		holds, err := condition(t, `data == previous`).Holds(t.Context(), wide, slices.Clone(wide))
		require.NoError(t, err)
		require.True(t, holds)
	})
	t.Run("the error matches ErrCost", func(t *testing.T) {
		t.Parallel()
		_, err := condition(t, `data.items.all(a, data.items.all(b, a == b))`).Holds(t.Context(), data, nil)
		require.ErrorIs(t, err, celx.ErrCost)
	})
}

func TestCondition_ContextDone_StopsTheEvaluation(t *testing.T) {
	t.Parallel()
	cause := errors.New("the caller disconnected")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	for _, text := range []string{`data == 1`, `data.all(x, x == 1)`} {
		holds, err := condition(t, text).Holds(ctx, []any{}, nil)
		require.False(t, holds)
		require.ErrorIs(t, err, cause)
	}

	// The context ends while a comprehension runs.
	list := make([]any, 5_000)
	_, err := condition(t, `data.all(x, x == null)`).Holds(&contextEndingAfter{Context: t.Context(), calls: 3}, list, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// contextEndingAfter is a context that ends after Err has been called a number of
// times.
type contextEndingAfter struct {
	context.Context

	calls int
	mu    sync.Mutex
}

func (c *contextEndingAfter) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls--
	if c.calls < 0 {
		return context.Canceled
	}
	return nil
}

func (c *contextEndingAfter) Done() <-chan struct{} {
	done := make(chan struct{})
	if c.Err() != nil {
		close(done)
	}
	return done
}

func TestText_Render_ReturnsTheText(t *testing.T) {
	t.Parallel()
	data := parse(t, document)
	text, err := language.Text(`"amount " + string(data.amount) + ", " + data.text`)
	require.NoError(t, err)
	rendered, err := text.Render(t.Context(), data, nil)
	require.NoError(t, err)
	require.Equal(t, "amount 5, abc", rendered)

	_, err = language.Text(`data.text`)
	require.ErrorContains(t, err, "string(…)")

	text, err = language.Text(`string(data.missing)`)
	require.NoError(t, err)
	_, err = text.Render(t.Context(), data, nil)
	require.ErrorIs(t, err, celx.ErrMissing)

	text, err = language.Text(`string(data)`)
	require.NoError(t, err)
	rendered, err = text.Render(t.Context(), strings.Repeat("é", 2*celx.MaxText), nil)
	require.NoError(t, err)
	require.Len(t, []rune(rendered), celx.MaxText)
}

func TestCondition_Holds_DoesNotModifyTheData(t *testing.T) {
	t.Parallel()
	data, same := parse(t, document), parse(t, document)
	for _, text := range []string{`data.items.map(i, i.price).size() == 2`, `data.items + [1] != data.items`, `data == previous`} {
		_, err := condition(t, text).Holds(t.Context(), data, data)
		require.NoError(t, err)
	}
	require.Equal(t, same, data)
}

// Two errors of CEL are shared by all evaluations; see the init function.
func TestCondition_ConcurrentErrors_DoNotRace(t *testing.T) {
	t.Parallel()
	data := parse(t, document)
	conditions := []*celx.Condition{
		condition(t, `data.text.getHours() == 1`), condition(t, `data.text > 1`), condition(t, `data.missing`+` == 1`),
		condition(t, `timestamp(data.beyond) == timestamp(data.beyond)`), condition(t, `data.items.all(i, i.price > 0)`),
		condition(t, `data.amount + 1 == 6`),
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				for i, c := range conditions {
					holds, err := c.Holds(t.Context(), data, nil)
					if (err == nil) != (i >= 4) || holds != (i >= 4) {
						t.Errorf("condition %d: %v, %v", i, holds, err)
					}
				}
			}
		})
	}
	group.Wait()
}

// Errors that CEL shares have no position, because it could be that of another
// expression.
func TestEvalError_SharedByCEL_HasNoPosition(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`timestamp(data) == timestamp("2024-01-01T00:00:00Z")`, `1 == 1 && timestamp(data) == timestamp(data)`} {
		_, err := condition(t, text).Holds(t.Context(), parse(t, `9007199254740993`), nil)
		failure, ok := errors.AsType[*celx.EvalError](err)
		require.True(t, ok, "%v", err)
		require.Zero(t, failure.Line)
	}
}
