package policy

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy/internal/syntax"
)

// Removing no grant leaves each requirement as it was compiled.
func TestGrantOnly_AllGrants_IsWhatWasCompiled(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/ledger.yaml")
	require.NoError(t, err)
	document, problems := syntax.Parse(text)
	require.Empty(t, problems)
	bundle, meaning := compile(document, text)
	require.Empty(t, meaning)
	compared := 0
	for _, a := range bundle.order {
		for n := range a.requires {
			for role := range bundle.roles {
				again := a.requires[n]
				again.grantOnly(role, bundle.roles[role].grants)
				require.Equal(t, a.requires[n].covered.hasAny([]int{role}), again.covered.hasAny([]int{role}))
				require.Equal(t, a.requires[n].depending[role], again.depending[role])
				require.Equal(t, a.requires[n].covered, again.covered)
				again.grantOnly(role, nil)
				require.False(t, again.covered.hasAny([]int{role}))
				require.Empty(t, again.depending[role])
				compared++
			}
		}
	}
	require.Greater(t, compared, 2)
}
