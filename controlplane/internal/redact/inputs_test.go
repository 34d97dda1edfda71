package redact_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/internal/inputs"
)

func TestInputs_ValuesThatMayNotBeStored_AreLeftOut(t *testing.T) {
	t.Parallel()
	allowed, err := inputs.NewAllowList([]string{"arguments", "claims.groups"})
	require.NoError(t, err)
	input := func(name, status string, value any) aureus.DecisionInput {
		return aureus.DecisionInput{Name: name, Status: status, Value: value}
	}
	given := []aureus.DecisionInput{
		input("arguments.amount", "recorded", json.Number("12")),
		input("arguments.password", "recorded", "hunter2"),
		input("arguments.login", "recorded", map[string]any{"user": "ann", "password": "hunter2"}),
		input("arguments.note", "recorded", "Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123"),
		input("arguments.text", "recorded", strings.Repeat("x", 1100)),
		input("arguments.empty", "absent", "smuggled"),
		input("claims.groups", "recorded", []any{"tellers"}),
		input("claims.email", "recorded", "ann@example.com"),
		input("arguments[amount]", "recorded", "not a name"),
	}
	got := redact.Inputs(given, allowed)
	want := []string{"recorded", "redacted", "redacted", "redacted", "too_large", "absent", "recorded", "redacted", "redacted"}
	for i, status := range want {
		require.Equal(t, status, got[i].Status, got[i].Name)
		require.Equal(t, status == "recorded", got[i].Value != nil, got[i].Name)
	}
	text, err := json.Marshal(got)
	require.NoError(t, err)
	for _, secret := range []string{"hunter2", "abcdefghij", "xxxx", "smuggled", "example.com", "not a name"} {
		require.NotContains(t, string(text), secret)
	}
	require.Equal(t, "hunter2", given[1].Value, "the argument is not changed")
	require.Nil(t, redact.Inputs(given, inputs.AllowList{}))

	var many []aureus.DecisionInput
	for range 100 {
		many = append(many, input("arguments.text", "recorded", strings.Repeat("x", 1000)))
	}
	got = redact.Inputs(many, allowed)
	require.Len(t, got, 64)
	require.Equal(t, []string{"recorded", "too_large"}, []string{got[3].Status, got[4].Status})
}
