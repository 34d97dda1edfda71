package controlplane_test

import (
	"compress/gzip"
	"database/sql"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// makeOld is the folder for a new set of old files, when a release changes the schema:
// AUREUS_MAKE_OLD_FILES=testdata/v5 go test -run MakeOldFiles .
const makeOld = "AUREUS_MAKE_OLD_FILES"

// The test writes the files that TestOpen_FilesOfOlderVersions_AreMigrated opens. Once
// written, they are never changed.
func TestOldFiles_OnRequest_AreWritten(t *testing.T) {
	to := os.Getenv(makeOld)
	if to == "" {
		t.Skip("set " + makeOld + " to a new folder to keep this version's files for later versions")
	}
	folder := t.TempDir()
	srv, err := controlplane.Open(t.Context(), (&oldHost{at: oldNoon}).config(folder))
	require.NoError(t, err)
	client, olga := srv.Client(), srv.Operator("olga")
	low := aureus.Request{Principal: aureus.Principal{ID: "agent", Type: "agent"}, Action: aureus.Action{ID: "look", Name: "Look", RiskTier: aureus.TierLow}}
	_, err = client.Decide(t.Context(), low)
	require.NoError(t, err)
	high := low
	high.Action = aureus.Action{ID: "act", Name: "Act", RiskTier: aureus.TierHigh}
	high.Arguments = map[string]any{"amount": 1}
	asked, err := client.Decide(t.Context(), high)
	require.NoError(t, err)
	_, err = olga.Reject(t.Context(), asked.Approval.ID, asked.Digest, "no")
	require.NoError(t, err)
	_, err = client.RegisterValidator(t.Context(), "small", map[string]any{"type": "max_size", "parameters": map[string]any{"max": 10}})
	require.NoError(t, err)
	_, _, err = srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "ledger", Role: controlplane.RoleService})
	require.NoError(t, err)
	require.NoError(t, client.ReportSpan(t.Context(), aureus.Span{ID: "s", TraceID: "old", Name: "n", StartTime: "2026-01-01T00:00:00Z"}))
	require.NoError(t, client.ReportMetric(t.Context(), aureus.Metric{Name: "m", Value: 1.5, Timestamp: "2026-01-01T00:00:00Z"}))
	require.NoError(t, client.ReportEvent(t.Context(), event("w")))
	called := makeRuns(t, srv)
	require.NoError(t, srv.Close())
	called.Wait()
	copies := filepath.Join(folder, "copies")
	require.NoError(t, controlplane.Backup(t.Context(), filepath.Join(folder, "aureus.db"), copies))
	require.NoError(t, os.MkdirAll(to, 0o750))
	for _, name := range oldFiles {
		pack(t, filepath.Join(copies, name), filepath.Join(to, name+".gz"))
	}
}

var oldFiles = []string{"aureus.db", "aureus.telemetry.db"}

// Files of older versions are opened and upgraded and keep their data, and the chain of
// the audit log stays valid.
func TestOpen_FilesOfOlderVersions_AreMigrated(t *testing.T) {
	versions, err := filepath.Glob("testdata/v*")
	require.NoError(t, err)
	require.NotEmpty(t, versions)
	for _, version := range versions {
		t.Run(filepath.Base(version), func(t *testing.T) {
			folder := t.TempDir()
			for _, name := range oldFiles {
				unpack(t, filepath.Join(version, name+".gz"), filepath.Join(folder, name))
			}
			before := schemas(t, folder)
			number, err := strconv.Atoi(strings.TrimPrefix(filepath.Base(version), "v"))
			require.NoError(t, err)
			hasRuns, hasKeys := number >= 2, number >= 3
			var key string
			for _, replayed := range []string{"", "true"} { // the second time it is up to date
				host := &oldHost{letGo: true, at: oldNoon.Add(time.Minute)}
				config := controlplane.Config{DB: filepath.Join(folder, "aureus.db")}
				if hasRuns {
					config = host.config(folder)
				}
				srv, err := controlplane.Open(t.Context(), config)
				require.NoError(t, err)
				holdsTheOld(t, srv)
				switch {
				case hasRuns && replayed == "":
					holdsTheRuns(t, srv, host)
				case hasRuns:
					goesOnWithTheRuns(t, srv, host, number)
				}
				if hasKeys {
					holdsTheKeys(t, srv, host)
				}
				if key == "" {
					key = newKey(t, srv, controlplane.RoleService, "svc")
				}
				a := raw{path: "/api/v1/observability/events", body: anEvent, key: key, header: keyed("k")}.do(t, srv)
				require.Equal(t, 200, a.status, a.body)
				require.Equal(t, replayed, a.header.Get("Idempotency-Replayed"), "features of a later schema work")
				require.NoError(t, srv.Close())
			}
			after := schemas(t, folder)
			for _, name := range oldFiles {
				require.GreaterOrEqual(t, after[name], before[name], name)
			}
			if !hasRuns { // files of this version have no workflows and no stored responses
				for _, name := range oldFiles {
					require.Equal(t, 1, before[name], name)
					require.Greater(t, after[name], 1, name)
				}
			}
		})
	}
}

func holdsTheOld(t *testing.T, srv *controlplane.Server) {
	t.Helper()
	operator := srv.Operator("auditor")
	verified, err := operator.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
	require.GreaterOrEqual(t, verified.Entries, int64(6))
	approvals, err := aureus.Collect(operator.Approvals(t.Context(), aureus.ApprovalQuery{Status: aureus.ApprovalRejected}))
	require.NoError(t, err)
	require.Len(t, approvals, 1)
	require.Equal(t, "no", approvals[0].Decisions[0].Comment)
	keys, err := srv.Keys().List(t.Context())
	require.NoError(t, err)
	require.True(t, slices.ContainsFunc(keys, func(k controlplane.Key) bool { return k.Subject == "ledger" }))
	blocked, err := srv.Client().ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: "much too large"}, aureus.GateConfig{Name: "g", Validators: []string{"small"}, BlockOnFailure: true})
	require.NoError(t, err)
	require.Equal(t, aureus.OutOfScope, blocked.FailureCode)
	spans, err := operator.Trace(t.Context(), "old")
	require.NoError(t, err)
	require.Len(t, spans, 1)
	metrics, err := aureus.Collect(operator.Metrics(t.Context(), aureus.MetricQuery{Name: "m"}))
	require.NoError(t, err)
	require.InDelta(t, 1.5, metrics[0].Value, 0)
	events, err := aureus.Collect(operator.Events(t.Context(), aureus.EventQuery{WorkflowID: "w"}))
	require.NoError(t, err)
	require.Len(t, events, 1)
}

// schemas returns the schema versions of the files.
func schemas(t *testing.T, folder string) map[string]int {
	t.Helper()
	versions := map[string]int{}
	for _, name := range oldFiles {
		db, err := sql.Open("sqlite", filepath.Join(folder, name))
		require.NoError(t, err)
		var version int
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT max(version_id) FROM goose_db_version").Scan(&version))
		require.NoError(t, db.Close())
		versions[name] = version
	}
	return versions
}

func pack(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	require.NoError(t, err)
	file, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	require.NoError(t, err)
	w := gzip.NewWriter(file)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, file.Close())
}

func unpack(t *testing.T, from, to string) {
	t.Helper()
	file, err := os.Open(from)
	require.NoError(t, err)
	defer func() { require.NoError(t, file.Close()) }()
	r, err := gzip.NewReader(file)
	require.NoError(t, err)
	text, err := io.ReadAll(r)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(to, text, 0o600))
}
