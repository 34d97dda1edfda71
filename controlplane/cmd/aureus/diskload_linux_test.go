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

// tally is what a server said to requests of one sort, each about a name of its
// own.
type tally struct {
	mu             sync.Mutex
	taken, refused map[string]bool
	other          []string
}

func (l *tally) note(name string, answer said, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err == nil && answer.status == http.StatusOK:
		l.taken[name] = true
	case err == nil && answer.status == http.StatusServiceUnavailable:
		l.refused[name] = true
	default:
		l.other = append(l.other, fmt.Sprintf("%s: %d %s %v", name, answer.status, answer.text, err))
	}
}

func (l *tally) counts() (taken, refused int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.taken), len(l.refused)
}

// load is clients that ask for decisions and report spans until they are stopped.
type load struct {
	decisions, spans *tally

	stop    chan struct{}
	workers sync.WaitGroup
}

func underLoad(t *testing.T, server *running) *load {
	t.Helper()
	l := &load{
		decisions: &tally{taken: map[string]bool{}, refused: map[string]bool{}},
		spans:     &tally{taken: map[string]bool{}, refused: map[string]bool{}}, stop: make(chan struct{}),
	}
	for worker := range 4 {
		l.workers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.stop: // never while a request is under way, whose end then nobody would know
					return
				default:
				}
				name, tier := fmt.Sprintf("w%d-%d", worker, n), aureus.TierLow
				if n%5 == 0 {
					tier = aureus.TierHigh
				}
				answer, err := server.try(t.Context(), "POST", "/api/v1/policy/evaluate", "", question(name, tier))
				l.decisions.note(name, answer, err)
				span := aureus.Span{ID: name, TraceID: "load", Name: "n", StartTime: "2026-01-01T00:00:00Z"}
				answer, err = server.try(t.Context(), "POST", "/api/v1/observability/spans", "", span)
				l.spans.note(name, answer, err)
			}
		})
	}
	return l
}

func (l *load) end() {
	close(l.stop)
	l.workers.Wait()
}

// until waits for some more of what is counted, of decisions and of spans.
func (l *load) until(t *testing.T, what string, count func(*tally) int) {
	t.Helper()
	const more = 25
	decisions, spans := count(l.decisions)+more, count(l.spans)+more
	require.Eventually(t, func() bool { return count(l.decisions) >= decisions && count(l.spans) >= spans }, 30*time.Second, 5*time.Millisecond, what)
}

func taken(l *tally) int { n, _ := l.counts(); return n }

func refused(l *tally) int { _, n := l.counts(); return n }

// compare wants what was taken to be there, and nothing that was refused.
func (l *load) compare(t *testing.T, operator *aureus.Client) {
	t.Helper()
	t.Logf("%d decisions and %d spans taken, %d and %d refused", taken(l.decisions), taken(l.spans), refused(l.decisions), refused(l.spans))
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

func (l *tally) compare(t *testing.T, what string, there map[string]bool) {
	t.Helper()
	for name := range l.taken {
		require.True(t, there[name], "the %s %s was taken, and is lost", what, name)
	}
	for name := range l.refused {
		require.False(t, there[name], "the %s %s was refused, and is there", what, name)
	}
}

// Under load from several clients a disk runs full and is emptied again, several
// times. Whatever a server acknowledged is there, and nothing that it refused.
func TestADiskThatFillsUpUnderLoad(t *testing.T) {
	for name, start := range troubles {
		t.Run(name, func(t *testing.T) {
			disk := start(t)
			load := underLoad(t, disk.server)
			for range 4 {
				load.until(t, "it works", taken)
				disk.take(t)
				load.until(t, "it refuses", refused)
				disk.give(t)
			}
			load.until(t, "it works again", taken)
			load.end()
			require.Empty(t, load.decisions.other)
			require.Empty(t, load.spans.other)
			load.compare(t, clientFor(t, disk.server.url, diskOperator))
			disk.server.stop(t, syscall.SIGTERM)
		})
	}
}

// A server that is killed on a full disk leaves a file that holds what it
// acknowledged, and nothing that it refused.
func TestKilledOnAFullDisk(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	disk := limitedOn(t, db, "grow")
	load := underLoad(t, disk.server)
	load.until(t, "it works", taken)
	disk.take(t)
	load.until(t, "it refuses", refused)
	require.NoError(t, disk.server.cmd.Process.Kill())
	require.Error(t, disk.server.cmd.Wait())
	load.end()
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: db})
	require.NoError(t, err)
	defer func() { require.NoError(t, srv.Close()) }()
	load.compare(t, srv.Operator("auditor"))
}

// A disk that is full for telemetry alone leaves decisions alone, and the server
// not ready: it says which of its files takes nothing.
func TestADiskThatIsFullForTelemetry(t *testing.T) {
	db := filepath.Join(t.TempDir(), "aureus.db")
	disk := limitedOn(t, db, "grow beside telemetry")
	server := disk.server
	span := func() said {
		return server.ask(t, "POST", "/api/v1/observability/spans", "", aureus.Span{
			ID: "s", TraceID: "t", Name: strings.Repeat("n", 4000), StartTime: "2026-01-01T00:00:00Z",
		})
	}
	for range 200 { // its log becomes the longer one
		require.Equal(t, http.StatusOK, span().status)
	}
	disk.take(t)
	for range 2 {
		unavailable(t, "a span", span())
		require.Equal(t, http.StatusOK, server.ask(t, "POST", "/api/v1/policy/evaluate", "", question("agent", aureus.TierLow)).status)
	}
	require.Never(t, func() bool { return server.ready(t).status == http.StatusOK }, 2500*time.Millisecond, 50*time.Millisecond, "it probes more than once")
	unready := server.ready(t)
	unavailable(t, "readiness", unready)
	require.Contains(t, unready.text, "the telemetry cannot be")
	disk.give(t)
	require.Eventually(t, func() bool { return server.ready(t).status == http.StatusOK }, 20*time.Second, 50*time.Millisecond)
	require.Equal(t, http.StatusOK, span().status)
	server.stop(t, syscall.SIGTERM)
}
