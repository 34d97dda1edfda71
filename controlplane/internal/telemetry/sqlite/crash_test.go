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

// crashFile is an environment variable: if it is set, the test binary appends items
// to the file that it names, until it is killed.
const crashFile = "AUREUS_TEST_TELEMETRY_FILE"

// crashBase is the environment variable with the number of the first item.
const crashBase = "AUREUS_TEST_TELEMETRY_BASE"

// A process is killed at different moments while it appends items. Afterwards every
// item that it acknowledged is stored.
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
		for n := 0; lines.Scan(); n++ { // lines that were printed before the end count too
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
		require.EqualValues(t, len(there), s.Stats().Kinds["spans"].Rows, "the count is that of the stored items")
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

// reportUntilKilled runs in the process that is killed: several goroutines append
// items, and print the number of each item after Append has returned.
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
