package validators_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/validators"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// A program that accepts the change also accepts the result: values that are nested too
// deeply are not part of it.
func TestValidators_DeepValue_IsReplacedInMetadata(t *testing.T) {
	t.Parallel()
	nested := func(levels int) any {
		value, err := strictjson.Parse([]byte(strings.Repeat("[", levels) + strings.Repeat("]", levels)))
		require.NoError(t, err)
		return value
	}
	never := validators.CrossFieldConsistency(validators.CrossFieldRule{
		Name: "never", Fields: []string{"x"}, Holds: func(context.Context, map[string]any) (bool, error) { return false, nil },
	})
	for name, validator := range map[string]crvgate.Validator[any]{
		"bounds": validators.StatisticalBounds("x", validators.Bounds{}), "cross": never, "encryption": validators.MemoryEncryption(),
	} {
		for _, levels := range []int{1, 32, 33, 97} {
			data := map[string]any{"x": nested(levels), "dataClassification": nested(levels)}
			result := validator(t.Context(), crvgate.Change[any]{Data: data})
			text, err := strictjson.MarshalText(aureus.GateResult{ValidationResults: []aureus.ValidationResult{result}})
			require.NoError(t, err, "%s, %d", name, levels)
			_, err = strictjson.Parse(text)
			require.NoError(t, err, "%s, %d", name, levels)
			require.Equal(t, levels > 32, strings.Contains(string(text), "nested more than 32 levels"), "%s, %d: %s", name, levels, text)
		}
	}
}

// A gate in Go accepts the same nesting as the API: one hundred levels, whatever the
// innermost value is.
func TestNotNull_NestingBeyondTheLimit_IsConflict(t *testing.T) {
	t.Parallel()
	for _, innermost := range []any{[]any{}, []any{"x"}, map[string]any{}} {
		value := innermost
		for range strictjson.MaxDepth - 1 {
			value = []any{value}
		}
		require.True(t, validators.NotNull()(t.Context(), crvgate.Change[any]{Data: value}).Valid)
		result := validators.NotNull()(t.Context(), crvgate.Change[any]{Data: []any{value}})
		require.Equal(t, aureus.Conflict, result.FailureCode, "%s", result.Reason)
	}
}
