package sqlite

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// crashFile is the environment variable that makes the test binary report into
// a file until it is killed.
const crashFile = "AUREUS_TEST_TELEMETRY_FILE"

// crashBase is the variable with the number that it begins to count from.
const crashBase = "AUREUS_TEST_TELEMETRY_BASE"

// The test kills a process while it reports, at different points, and wants
// every report that was acknowledged to be there afterwards.
func TestAppend_ProcessKilled_KeepsWhatWasAcknowledged(t *testing.T) {
	rounds := 8
	if testing.Short() {
		rounds = 2
	}
	path := filepath.Join(t.TempDir(), "t.db")
	var acknowledged []string
	for round := range rounds {
		child := exec.CommandContext(t.Context(), os.Args[0])
		child.Env = append(os.Environ(), crashFile+"="+path, crashBase+"="+strconv.Itoa(round*1_000_000))
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, child.Start())
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ { // what was printed before the end counts as well
			number, err := strconv.Atoi(lines.Text())
			require.NoError(t, err)
			acknowledged = append(acknowledged, span(number))
			if n == 100*(round+1) {
				require.NoError(t, child.Process.Kill()) // SIGKILL
			}
		}
		require.Error(t, child.Wait())

		s := openFile(t, path, telemetry.Options{})
		there := map[string]bool{}
		for body, err := range mustTrace(t, s).Bodies(t.Context()) {
			require.NoError(t, err)
			there[body] = true
		}
		for _, text := range acknowledged {
			require.True(t, there[text], "round %d: %s was acknowledged", round, text)
		}
		require.EqualValues(t, len(there), s.Stats().Kinds["spans"].Rows, "the count fits what is there")
		var verdict string
		require.NoError(t, s.reader.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&verdict))
		require.Equal(t, "ok", verdict)
		require.NoError(t, s.Close())
	}
	require.Greater(t, len(acknowledged), rounds*100)
}

func mustTrace(t *testing.T, s *Store) *telemetry.Page {
	t.Helper()
	page, err := s.Trace(t.Context(), tenant, "t", telemetry.Paging{})
	require.NoError(t, err)
	return page
}

// reportUntilKilled runs in the process that is killed: several callers report, and each
// number is printed after it was acknowledged.
func reportUntilKilled(path string) {
	s, err := Open(context.Background(), path, telemetry.Options{})
	base, bad := strconv.Atoi(os.Getenv(crashBase))
	if err = errors.Join(err, bad); err != nil {
		panic(err)
	}
	var mu sync.Mutex
	for c := range 8 {
		go func() {
			for i := c; ; i += 8 {
				item, err := telemetry.Read(telemetry.Spans, []byte(span(base+i)))
				if err == nil {
					err = s.Append(context.Background(), tenant, []telemetry.Item{item})
				}
				if err != nil {
					panic(err)
				}
				mu.Lock()
				_, err = os.Stdout.WriteString(strconv.Itoa(base+i) + "\n")
				mu.Unlock()
				if err != nil {
					panic(err)
				}
			}
		}()
	}
	select {}
}
