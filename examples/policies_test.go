package examples_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy"
)

// The policies of the cookbook load, which runs their tests, and no part of them can be
// removed without a test that fails.
func TestPolicies_EveryPart_IsNoticedByATest(t *testing.T) {
	cookbook, err := os.ReadFile(filepath.Join("..", "docs", "policies.md"))
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join("policies", "*.yaml"))
	require.NoError(t, err)
	require.Len(t, files, 10, "docs/policies.md says that there are ten")
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			bundle, err := policy.ReadFile(file)
			require.NoError(t, err)
			require.Equal(t, filepath.Base(file), bundle.Name()+".yaml")
			require.Contains(t, string(cookbook), "](../examples/policies/"+filepath.Base(file)+")")
			report := bundle.Check(t.Context())
			require.Empty(t, report.Unnoticed)
			require.True(t, report.OK(), report.Incomplete)
		})
	}
}
