package inputs_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/inputs"
)

func TestName_EachPath_IsReadBack(t *testing.T) {
	t.Parallel()
	for name, path := range map[string][]string{
		"arguments":                          {"arguments"},
		"arguments.amount":                   {"arguments", "amount"},
		`claims["department id"].x`:          {"claims", "department id", "x"},
		`arguments["a.b"]["\"]"]`:            {"arguments", "a.b", `"]`},
		`arguments[""]`:                      {"arguments", ""},
		`arguments["7"]`:                     {"arguments", "7"},
		`arguments["\x00\u202e"].Überschuss`: nil,
	} {
		got, ok := inputs.Path(name)
		require.Equal(t, path != nil, ok, name)
		if path != nil {
			require.Equal(t, path, got)
			require.Equal(t, name, inputs.Name(path))
		}
	}
}

func TestPath_OtherTexts_AreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"", ".", "arguments.", "arguments..a", "arguments[a]", `arguments["a"`, `arguments["a]`, `arguments["amount"]`, "arguments['a']", "arguments[`a`]",
		"7.a", "a b", "arguments." + strings.Repeat("x", inputs.MaxName),
	} {
		_, ok := inputs.Path(name)
		require.False(t, ok, name)
	}
}

func TestAllowList_Names_StandForWhatIsInsideOfThem(t *testing.T) {
	t.Parallel()
	list, err := inputs.NewAllowList([]string{"arguments.amount", "claims", "request.path"})
	require.NoError(t, err)
	require.False(t, list.Empty())
	for name, want := range map[string]bool{
		"arguments.amount": true, "arguments.amount.value": true, "arguments": false, "arguments.amounts": false,
		"claims": true, "claims.groups": true, "request.path": true, "request.host": false, "principal.type": false,
	} {
		path, ok := inputs.Path(name)
		require.True(t, ok)
		require.Equal(t, want, list.Allows(path), name)
	}
	require.True(t, inputs.AllowList{}.Empty())
	require.False(t, inputs.AllowList{}.Allows([]string{"claims"}))
}

func TestNewAllowList_OtherNames_AreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "amount", "principal", "principal.id", "request", "request.time", "request.path.x", "params.known", "arguments.", "*"} {
		_, err := inputs.NewAllowList([]string{name})
		require.ErrorContains(t, err, "is not the name of an input", name)
	}
	_, err := inputs.NewAllowList(make([]string, 1001))
	require.ErrorContains(t, err, "more than 1000")
}
