package policy_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// No text crashes the loader. What loads decides, reports and is checked, and allows
// nobody that it does not name.
func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/ledger.yaml")
	require.NoError(f, err)
	f.Add(text)
	f.Add([]byte(cases))
	f.Add([]byte(checked))
	f.Add([]byte(strings.Replace(checked, "limit: 500", "limit: 0.0000001", 1)))
	f.Add([]byte(strings.Replace(checked, "'audit' in claims.groups", "claims.groups.exists(g, g == g)", 1)))
	f.Add([]byte(strings.Replace(cases, "maximum: 9", "maximum: 1e400", 1)))
	f.Add([]byte(`{"aureus":"policy/1","name":"n","version":1,"principals":{"*":{"roles":[]}},"actions":{"a":{"tier":"low","requires":[]}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		bundle, err := policy.Parse(text)
		if err != nil {
			failure, ok := errors.AsType[*policy.LoadError](err)
			require.True(t, ok, "%T: %v", err, err)
			require.NotEmpty(t, failure.Problems)
			for _, p := range failure.Problems {
				require.NotEmpty(t, p.Message)
				require.LessOrEqual(t, p.Line, strings.Count(string(text), "\n")+strings.Count(string(text), "\r")+1)
			}
			return
		}
		require.Equal(t, string(text), string(bundle.Text()))
		require.Empty(t, bundle.Check(context.Background()).Incomplete)
		bundle.Notes()
		bundle.Routes()
		engine, err := policy.New(bundle, policy.Config{})
		require.NoError(t, err)
		for _, a := range bundle.Actions() {
			bundle.Terms(a.ID)
			request := ask("\u0001", a.ID, nil) // no bundle can name this principal, and no request is valid with it
			require.Equal(t, aureus.ReasonInvalidRequest, engine.Preview(request).ReasonCode)
		}
		require.Equal(t, aureus.ReasonActionUnknown, engine.Preview(ask("someone", "not listed "+strings.Repeat("x", 500), nil)).ReasonCode)
	})
}
