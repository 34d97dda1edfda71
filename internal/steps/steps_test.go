package steps_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/steps"
)

func TestBudget_Spend_UntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	b := steps.New(10)
	require.Equal(t, 10, b.Left(100))
	require.Equal(t, 3, b.Left(3))
	require.True(t, b.Spend(4))
	require.True(t, b.Spend(6), "exactly what is left")
	require.True(t, b.Spent())
	require.Zero(t, b.Left(100))
	require.False(t, b.Spend(1))
	require.Zero(t, b.Left(100), "never below zero")
	require.False(t, steps.New(5).Spend(6))
}

func TestFrom_Context_ReturnsItsBudget(t *testing.T) {
	t.Parallel()
	none := steps.From(t.Context())
	require.Nil(t, none)
	require.True(t, none.Spend(1<<40))
	require.Equal(t, 7, none.Left(7))
	require.False(t, none.Spent())
	b := steps.New(1)
	require.Same(t, b, steps.From(steps.With(t.Context(), b)))
}
