package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// requestLog records which requests of one kind the server accepted and
// refused. Each request has a name of its own.
type requestLog struct {
	mu                sync.Mutex
	accepted, refused map[string]bool
	other             []string
}

func (l *requestLog) note(name string, answer httpResponse, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && answer.status == http.StatusOK:
		l.accepted[name] = true
	case err == nil && answer.status == http.StatusServiceUnavailable:
		l.refused[name] = true
	default:
		l.other = append(l.other, fmt.Sprintf("%s: %d %s %v", name, answer.status, answer.text, err))
	}
}

func (l *requestLog) counts() (accepted, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.accepted), len(l.refused)
}

// clientLoad runs clients that ask for decisions and report spans until end is
// called.
type clientLoad struct {
	decisions, spans *requestLog

	stop    chan struct{}
	workers sync.WaitGroup
}

func startLoad(t *testing.T, server *serverProcess) *clientLoad {
	t.Helper()
	l := &clientLoad{
		decisions: &requestLog{accepted: map[string]bool{}, refused: map[string]bool{}},
		spans:     &requestLog{accepted: map[string]bool{}, refused: map[string]bool{}}, stop: make(chan struct{}),
	}
	for worker := range 4 {
		l.workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop: // checked between requests, so that the result of every request is known
					return
				default:
				}
				name, tier := fmt.Sprintf("w%d-%d", worker, n), aureus.TierLow
				if n%5 == 0 {
					tier = aureus.TierHigh
				}
				response, err := server.try(t.Context(), "POST", "/api/v1/policy/evaluate", "", policyContext(name, tier))
				l.decisions.note(name, response, err)
				span := aureus.Span{ID: name, TraceID: "load", Name: "n", StartTime: "2026-01-01T00:00:00Z"}
				response, err = server.try(t.Context(), "POST", "/api/v1/observability/spans", "", span)
				l.spans.note(name, response, err)
			}
		})
	}
	return l
}

func (l *clientLoad) end() {
	close(l.stop)
	l.workers.Wait()
}

// until waits until count has increased by 25, both for decisions and for spans.
func (l *clientLoad) until(t *testing.T, what string, count func(*requestLog) int) {
	t.Helper()
	const more = 25
	decisions, spans := count(l.decisions)+more, count(l.spans)+more
	require.Eventually(t, func() bool { return count(l.decisions) >= decisions && count(l.spans) >= spans }, 30*time.Second, 5*time.Millisecond, what)
}

func acceptedCount(l *requestLog) int { n, _ := l.counts(); return n }

func refusedCount(l *requestLog) int { _, n := l.counts(); return n }

// compare checks that everything that was accepted is stored, and nothing that
// was refused.
func (l *clientLoad) compare(t *testing.T, operator *aureus.Client) {
	t.Helper()
	t.Logf("%d decisions and %d spans accepted, %d and %d refused", acceptedCount(l.decisions), acceptedCount(l.spans), refusedCount(l.decisions), refusedCount(l.spans))
	verified, err := operator.VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid, "%+v", verified)
	recorded := map[string]bool{}
	for entry, err := range operator.Audit(t.Context(), aureus.AuditQuery{}) {
		require.NoError(t, err)
		recorded[entry.Principal] = true
	}
	l.decisions.compare(t, "decision", recorded)
	kept := map[string]bool{}
	spans, err := operator.Trace(t.Context(), "load")
	require.NoError(t, err)
	for _, span := range spans {
		kept[span.ID] = true
	}
	l.spans.compare(t, "span", kept)
}

func (l *requestLog) compare(t *testing.T, what string, stored map[string]bool) {
	t.Helper()
	for name := range l.accepted {
		require.True(t, stored[name], "the %s %s was accepted, but is lost", what, name)
	}
	for name := range l.refused {
		require.False(t, stored[name], "the %s %s was refused, but is stored", what, name)
	}
}

// While several clients send requests, the disk becomes full and is freed
// several times. Everything that the server acknowledged is stored, and nothing
// that it refused.
func TestServe_DiskFullUnderLoad_LosesNothing(t *testing.T) {
	for name, start := range diskFailures {
		t.Run(name, func(t *testing.T) {
			disk := start(t)
			load := startLoad(t, disk.server)
			for range 4 {
				load.until(t, "it works", acceptedCount)
				disk.fail(t)
				load.until(t, "it refuses", refusedCount)
				disk.repair(t)
			}
			load.until(t, "it works again", acceptedCount)
			load.end()
			require.Empty(t, load.decisions.other)
			require.Empty(t, load.spans.other)
			load.compare(t, clientFor(t, disk.server.url, diskOperator))
			disk.server.stop(t, syscall.SIGTERM)
		})
	}
}

// A server that is killed while its disk is full leaves files with everything
// that it acknowledged, and nothing that it refused.
func TestServe_KilledWithFullDisk_LosesNothing(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	disk := limitFileSize(t, db, "grow")
	load := startLoad(t, disk.server)
	load.until(t, "it works", acceptedCount)
	disk.fail(t)
	load.until(t, "it refuses", refusedCount)
	require.NoError(t, disk.server.cmd.Process.Kill())
	require.Error(t, disk.server.cmd.Wait())
	load.end()
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	load.compare(t, srv.Operator("auditor"))
}

// If only the telemetry file cannot be written, decisions continue. The server
// is not ready, and says which file is the reason.
func TestServe_TelemetryDiskFull_DecisionsContinue(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	disk := limitFileSize(t, db, "grow beside telemetry")
	server := disk.server
	span := func() httpResponse {
		return server.ask(t, "POST", "/api/v1/observability/spans", "", aureus.Span{
			ID: "s", TraceID: "t", Name: strings.Repeat("n", 4000), StartTime: "2026-01-01T00:00:00Z",
		})
	}
	for range 200 { // make the telemetry log longer than the other one
		require.Equal(t, http.StatusOK, span().status)
	}
	disk.fail(t)
	for range 2 {
		unavailable(t, "a span", span())
		require.Equal(t, http.StatusOK, server.ask(t, "POST", "/api/v1/policy/evaluate", "", policyContext("agent", aureus.TierLow)).status)
	}
	require.Never(t, func() bool { return server.ready(t).status == http.StatusOK }, 2500*time.Millisecond, 50*time.Millisecond, "it stays unready over several probes")
	unready := server.ready(t)
	unavailable(t, "readiness", unready)
	require.Contains(t, unready.text, "the telemetry cannot be")
	disk.repair(t)
	require.Eventually(t, func() bool { return server.ready(t).status == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, http.StatusOK, span().status)
	server.stop(t, syscall.SIGTERM)
}
