package controlplane_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// logged stores the log of a server.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Data written to a deleted file is lost when the process ends. A server whose file is
// deleted or replaced refuses to write, says so, and works again when the file is back.
func TestFile_DeletedWhileOpen_IsNoticed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be deleted or renamed: run this on a Unix")
	}
	const evaluate, report = "/api/v1/policy/evaluate", "/api/v1/observability/spans"
	decision := mustMarshal(t, transfer(aureus.TierLow, 1).Context())
	span := mustMarshal(t, aureus.Span{ID: "s", TraceID: "t", Name: "n", StartTime: "2026-01-01T00:00:00Z"})
	for name, row := range map[string]struct {
		file     string
		replaced bool
		path     string
		body     string
		store    string
	}{
		"the database is deleted":  {"aureus.db", false, evaluate, decision, "database"},
		"the database is replaced": {"aureus.db", true, evaluate, decision, "database"},
		"its log is deleted":       {"aureus.db-wal", false, evaluate, decision, "database"},
		"its log is replaced":      {"aureus.db-wal", true, evaluate, decision, "database"},
		"telemetry is deleted":     {"aureus.telemetry.db", false, report, span, "telemetry"},
		"telemetry is replaced":    {"aureus.telemetry.db", true, report, span, "telemetry"},
		"telemetry's log is gone":  {"aureus.telemetry.db-wal", false, report, span, "telemetry"},
	} {
		t.Run(name, func(t *testing.T) {
			folder, log := t.TempDir(), &logged{}
			srv := open(t, func(c *controlplane.Config) {
				c.DB, c.Logger = filepath.Join(folder, "aureus.db"), slog.New(slog.NewTextHandler(log, nil))
			})
			key := newKey(t, srv, controlplane.RoleOperator, "olga")
			change, ready := raw{path: row.path, body: row.body, key: key}, raw{method: "GET", path: "/readyz"}
			require.Equal(t, 200, change.do(t, srv).status)
			require.Equal(t, 200, ready.do(t, srv).status)

			file, aside := filepath.Join(folder, row.file), filepath.Join(t.TempDir(), "aside")
			require.NoError(t, os.Rename(file, aside))
			if row.replaced {
				content, err := os.ReadFile(aside)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(file, content, 0o600))
			}
			require.Contains(t, ready.do(t, srv).refusal(t, 503, "STATE_STORE_ERROR")["error"], row.store, "readyz already reports it before a write")
			refused := change.do(t, srv)
			refused.refusal(t, 503, "STATE_STORE_ERROR")
			require.NotEmpty(t, refused.header.Get("Retry-After"))
			require.NotContains(t, refused.body, folder, "the response does not contain the path of the files")
			require.Equal(t, 200, raw{method: "GET", path: "/healthz"}.do(t, srv).status)
			require.Equal(t, 200, raw{method: "GET", path: "/api/v1/audit", key: key}.do(t, srv).status, "the open file can still be read")
			require.Contains(t, log.String(), "deleted or replaced while it is open: "+file)
			require.Contains(t, log.String(), "restore")

			require.NoError(t, os.Rename(aside, file))
			require.Equal(t, 200, change.do(t, srv).status, log.String())
			require.Equal(t, 200, ready.do(t, srv).status)
			verified, err := srv.Operator("olga").VerifyAudit(t.Context())
			require.NoError(t, err)
			require.True(t, verified.Valid)
		})
	}
}

// Locks are per file name, so two servers could open one file that has two names.
func TestOpen_FileWithTwoNames_IsRefused(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not tell how many names a file has: run this on a Unix")
	}
	for _, file := range []string{"aureus.db", "aureus.telemetry.db"} {
		t.Run(file, func(t *testing.T) {
			folder := t.TempDir()
			config := controlplane.Config{DB: filepath.Join(folder, "aureus.db")}
			srv, err := controlplane.Open(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, srv.Close())
			second := filepath.Join(t.TempDir(), "second.db")
			require.NoError(t, os.Link(filepath.Join(folder, file), second))

			_, err = controlplane.Open(t.Context(), config)
			require.ErrorContains(t, err, "more than one name")
			require.ErrorContains(t, err, file)
			if file == "aureus.db" {
				_, err = controlplane.OpenKeys(t.Context(), second)
				require.ErrorContains(t, err, "more than one name")
			}
			require.NoError(t, os.Remove(second))
			srv, err = controlplane.Open(t.Context(), config)
			require.NoError(t, err)
			require.NoError(t, srv.Close())
		})
	}
}
