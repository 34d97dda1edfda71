package celx_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/steps"
)

// All evaluations in a context with a budget use it, including cheap evaluations and
// evaluations that fail.
func TestBudget_SeveralEvaluations_ShareIt(t *testing.T) {
	t.Parallel()
	data := parse(t, document)
	for _, text := range []string{`data.amount + 1 == 6`, `data.items.all(i, i.price > 0)`, `data.missing == 1`, `data.amount / data.zero > 1`} {
		budget := steps.New(1000)
		ctx := steps.With(t.Context(), budget)
		_, err := condition(t, text).Holds(ctx, data, nil)
		require.NotErrorIs(t, err, celx.ErrCost, text)
		used := 1000 - budget.Left(1000)
		require.Positive(t, used, text)
		require.Less(t, used, 100, text)
	}

	budget := steps.New(1000)
	ctx := steps.With(t.Context(), budget)
	compiled, rounds := condition(t, `data.items.all(i, i.price > 0)`), 0
	for ; rounds < 1000; rounds++ {
		if _, err := compiled.Holds(ctx, data, nil); err != nil {
			require.ErrorIs(t, err, celx.ErrCost)
			break
		}
	}
	require.Greater(t, rounds, 10)
	require.Less(t, rounds, 200)
	for _, text := range []string{`true`, `data.amount == 5`} {
		holds, err := condition(t, text).Holds(ctx, data, nil)
		require.ErrorIs(t, err, celx.ErrCost, "a used-up budget must stay used up")
		require.False(t, holds)
	}
}

// A cheap expression, which is not counted otherwise, is counted within a budget,
// and large values cost more.
func TestBudget_LargeValues_CostMore(t *testing.T) {
	t.Parallel()
	wide := make([]any, 200_000)
	budget := steps.New(1_000_000)
	holds, err := condition(t, `data == previous`).Holds(steps.With(t.Context(), budget), wide, slices.Clone(wide))
	require.NoError(t, err)
	require.True(t, holds)
	require.Less(t, budget.Left(1_000_000), 900_000)
}

// A match costs instructions times bytes, and a pattern from the data also costs
// its compilation.
func TestCost_Matches_InstructionsTimesBytes(t *testing.T) {
	t.Parallel()
	costs := func(text string, data any) int {
		budget := steps.New(10_000_000)
		_, err := condition(t, text).Holds(steps.With(t.Context(), budget), data, nil)
		require.NoError(t, err, text)
		return 10_000_000 - budget.Left(10_000_000)
	}
	long := strings.Repeat("a", 50_000)
	small := costs(`data.matches("^a+$")`, long)
	large := costs(`data.matches("^(a|b|c){50}(a?){99}")`, long)
	require.Greater(t, small, 5_000)
	require.Greater(t, large, 20*small)
	require.Greater(t, costs(`data.matches(data)`, strings.Repeat("a", 900)), 15_000)

	// Many expensive matches in a comprehension are stopped.
	texts := make([]any, 500)
	for i := range texts {
		texts[i] = strings.Repeat("a?", 350)
	}
	for _, text := range []string{`data.all(x, !x.matches("(a?){99}b"))`, `data.all(x, "".matches(x))`} {
		_, err := condition(t, text).Holds(t.Context(), texts, nil)
		require.ErrorIs(t, err, celx.ErrCost, text)
	}
}
