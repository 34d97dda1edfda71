package doctest

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/wire"
)

// docs/spec lists every error code and every reason code.
func TestReference_ErrorCodes_AreAllListed(t *testing.T) {
	page := readText(t, repository(t), "docs/spec/contract.md")
	for _, code := range wire.ErrorCodes() {
		require.Contains(t, page, "`"+code+"`")
	}
}

func TestReference_ReasonCodes_AreAllListed(t *testing.T) {
	root := repository(t)
	page := readText(t, root, "docs/spec/policy.md")
	files, err := filepath.Glob(filepath.Join(root, "aureus", "*.go"))
	require.NoError(t, err)
	declared := regexp.MustCompile(`(?m)^\tReason\w+\s+ReasonCode\s+= "([A-Z_]+)"`)
	codes := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range declared.FindAllSubmatch(text, -1) {
			require.Contains(t, page, "`"+string(found[1])+"`")
			codes++
		}
	}
	require.Greater(t, codes, 15, "hardly any reason code was found in package aureus, so the pattern may be wrong")
}
