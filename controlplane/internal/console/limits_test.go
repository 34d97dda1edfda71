package console

import (
	"fmt"
	"os"
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The page about limits gives the limits of the console as the code has them.
func TestLimitsPage_Console_NamesTheConstants(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/limits.md")
	require.NoError(t, err)
	for label, bound := range map[string]string{
		"sessions of the console":          fmt.Sprintf("%d; %d; %d,%03d", maxKeyed, maxTenant, maxSessions/1000, maxSessions%1000),
		"a session of the console":         fmt.Sprintf("%d minutes without a page, %d hours", idleTime/time.Minute, longestTime/time.Hour),
		"windows of one session":           fmt.Sprintf("%d, also within the limit of streams above; one a second", maxFollowed),
		"a form of the console; the login": fmt.Sprintf("%d KiB; %d KiB", maxForm>>10, maxLoginForm>>10),
		"one page of the console": fmt.Sprintf("%d MiB; %d,%03d, %d KiB; %d,%03d; %d; %d, %d; %d", maxPage>>20, maxTextLines/1000, maxTextLines%1000,
			maxLineBytes>>10, maxDiffShown/1000, maxDiffShown%1000, historyPage, actionsPage, maxListed, maxReasons),
		"lines of two versions that the console compares": fmt.Sprintf("%d,%03d", maxDiffLines/1000, maxDiffLines%1000),
	} {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(label) + `[^|]*\| ([^|]*) \|`).FindSubmatch(page)
		require.NotNil(t, row, "docs/limits.md has no row %q", label)
		require.Equal(t, bound, string(row[1]), label)
	}
	require.Equal(t, time.Second, eventsInterval)
}
