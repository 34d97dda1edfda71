package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashFile); path != "" { // see TestAppend_ProcessKilled_KeepsWhatWasAcknowledged
		reportUntilKilled(path)
	}
	goleak.VerifyTestMain(m)
}

const tenant = "default"

func openStore(t testing.TB, options telemetry.Options) *Store {
	t.Helper()
	return openFile(t, filepath.Join(t.TempDir(), "telemetry.db"), options)
}

func openFile(t testing.TB, path string, options telemetry.Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// read parses the texts of items.
func read(t testing.TB, kind telemetry.Kind, texts ...string) []telemetry.Item {
	t.Helper()
	items := make([]telemetry.Item, 0, len(texts))
	for _, text := range texts {
		item, err := telemetry.Read(kind, []byte(text))
		require.NoError(t, err, text)
		items = append(items, item)
	}
	return items
}

func add(t testing.TB, s *Store, kind telemetry.Kind, texts ...string) {
	t.Helper()
	require.NoError(t, s.Append(t.Context(), tenant, read(t, kind, texts...)))
}

// bodies returns the items of a page and of all pages after it.
func bodies(t testing.TB, query func(telemetry.Paging) (*telemetry.Page, error), paging telemetry.Paging) []string {
	t.Helper()
	all := []string{}
	for {
		page, err := query(paging)
		require.NoError(t, err)
		for body, err := range page.Bodies(t.Context()) {
			require.NoError(t, err)
			all = append(all, body)
		}
		if paging.Cursor = page.Next; page.Next == "" {
			return all
		}
	}
}

func allOf(t testing.TB, s *Store, tenant string, kind telemetry.Kind) []string {
	t.Helper()
	return bodies(t, func(p telemetry.Paging) (*telemetry.Page, error) {
		switch kind {
		case telemetry.Metrics:
			return s.Metrics(t.Context(), tenant, telemetry.MetricQuery{}, p)
		case telemetry.Events:
			return s.Events(t.Context(), tenant, telemetry.EventQuery{}, p)
		default:
			return s.Trace(t.Context(), tenant, "t", p)
		}
	}, telemetry.Paging{})
}

func span(n int) string {
	return fmt.Sprintf(`{"id":"%d","trace_id":"t","name":"n","start_time":"2026-01-02T03:04:05.%09dZ"}`, n, n)
}

func metric(name, timestamp string) string {
	return fmt.Sprintf(`{"name":%q,"value":1,"timestamp":%q}`, name, timestamp)
}

func TestOpen_NewFile_IsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no file modes; run this on a Unix system")
	}
	for name, before := range map[string]os.FileMode{
		"a new file":                  0,
		"a file that others may read": 0o644,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "odd name ?#%20&.db")
			if before != 0 {
				require.NoError(t, os.WriteFile(path, nil, before))
			}
			s := openFile(t, path, telemetry.Options{})
			add(t, s, telemetry.Spans, span(1))
			for _, suffix := range []string{"", "-wal", "-shm", ".lock"} {
				info, err := os.Stat(path + suffix)
				require.NoError(t, err)
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
			}
		})
	}
}

func TestOpen_InvalidConfig_IsRefused(t *testing.T) {
	dir := t.TempDir()
	for name, path := range map[string]string{
		"no path":          "",
		"memory":           ":memory:",
		"memory as a URI":  "file::memory:?cache=shared",
		"a missing folder": filepath.Join(dir, "absent", "t.db"),
		"a folder":         dir,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), path, telemetry.Options{})
			require.Error(t, err)
		})
	}
	t.Run("a file that is not a database", func(t *testing.T) {
		path := filepath.Join(dir, "text.db")
		require.NoError(t, os.WriteFile(path, []byte("this is a text file, and a long one, of more than one hundred bytes, so that it has room for a header"), 0o600))
		_, err := Open(t.Context(), path, telemetry.Options{})
		require.ErrorIs(t, err, telemetry.ErrUnavailable)
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Contains(t, string(text), "this is a text file")
	})
}

func TestOpen_Twice_IsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, telemetry.Options{})
	_, err := Open(t.Context(), path, telemetry.Options{})
	require.ErrorIs(t, err, telemetry.ErrLocked)
	require.ErrorContains(t, err, path+".lock")
	require.NoError(t, s.Close())
	openFile(t, path, telemetry.Options{})
}

func TestOpen_FileOfANewerVersion_IsLeftAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, telemetry.Options{})
	add(t, s, telemetry.Spans, span(1))
	require.NoError(t, s.Close())

	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)")
	require.NoError(t, err)
	require.NoError(t, db.Close())

	_, err = Open(t.Context(), path, telemetry.Options{})
	require.ErrorIs(t, err, telemetry.ErrNewer)
	require.ErrorContains(t, err, "999")
}

func TestReopen_StoredItems_AreThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.db")
	s := openFile(t, path, telemetry.Options{})
	add(t, s, telemetry.Spans, span(2), span(1))
	stats := s.Stats()
	require.NoError(t, s.Close())
	require.NoError(t, s.Close(), "a second Close succeeds")

	s = openFile(t, path, telemetry.Options{})
	require.Equal(t, stats, s.Stats())
	require.Equal(t, []string{span(1), span(2)}, allOf(t, s, tenant, telemetry.Spans))
}

func at(t testing.TB, text string) *time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339Nano, text)
	require.NoError(t, err)
	return &moment
}

func timeout(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // ends a test that hangs
	t.Cleanup(cancel)
	return ctx
}
