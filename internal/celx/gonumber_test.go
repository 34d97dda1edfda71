package celx_test

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/celx"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
)

// argumentScope has arguments only.
type argumentScope map[string]any

func (s argumentScope) Value(variable int) any {
	if variable == celx.VarArguments {
		return map[string]any(s)
	}
	return nil
}

// A number of a program is the same number as the one that it becomes in JSON.
func TestHoldsIn_NumbersOfAProgram_AreThoseOfJSON(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	numbers := []any{
		0, 1, -1, 7, int64(7), 7.0, 7.5, 0.1, math.Copysign(0, -1), 1e15, 1e16, 1.5e300, 5e-324, float64(1 << 53), 1<<53 + 1, int64(1<<53 - 1), int64(math.MaxInt64),
		math.MinInt64, -(1 << 53), 1e22, 12345678901234567890.0, 0.30000000000000004,
	}
	for _, text := range []string{
		`arguments.x == arguments.y`, `arguments.x < arguments.y`, `arguments.x + 1.0 > arguments.y`, `arguments.list == arguments.other`,
		`arguments.x in arguments.list`, `arguments.x == 7`, `7.0 >= arguments.x`, `arguments.map == arguments.map2`, `arguments.list.exists(i, i == arguments.y)`,
		`string(arguments.x) == string(arguments.y)`, `type(arguments.x) == type(arguments.y)`, `arguments.x % 2.0 == 0.0`, `arguments.list[0] * 2.0 == arguments.y`,
	} {
		compiled := policyCondition(t, text)
		for _, x := range numbers {
			for _, y := range numbers {
				native := argumentScope{"x": x, "y": y, "list": []any{x, "a"}, "other": []any{y, "a"}, "map": map[string]any{"k": x}, "map2": map[string]any{"k": y}}
				converted, err := jsonvalue.Converted(map[string]any(native))
				require.NoError(t, err)
				asJSON, ok := converted.(map[string]any)
				require.True(t, ok)
				want, wantErr := compiled.HoldsIn(context.Background(), argumentScope(asJSON))
				got, gotErr := compiled.HoldsIn(context.Background(), native)
				require.Equal(t, want, got, "%s for %v and %v", text, x, y)
				require.Equal(t, wantErr == nil, gotErr == nil, "%s for %v and %v: %v, %v", text, x, y, wantErr, gotErr)
				counted, countedErr := compiled.HoldsCounted(context.Background(), native)
				require.Equal(t, want, counted, "%s for %v and %v", text, x, y)
				require.Equal(t, wantErr == nil, countedErr == nil)
				require.Equal(t, compiled.Explain(context.Background(), argumentScope(asJSON)).Holds, compiled.Explain(context.Background(), native).Holds)
			}
		}
	}
	_, err := policyCondition(t, `arguments.x < 5.0`).HoldsIn(context.Background(), argumentScope{"x": math.NaN()})
	require.Error(t, err)
	_, err = policyCondition(t, `!(arguments.x > 5.0)`).HoldsIn(context.Background(), argumentScope{"x": math.Inf(1)})
	require.Error(t, err)
}
