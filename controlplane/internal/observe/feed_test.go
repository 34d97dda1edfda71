package observe

import (
	"bytes"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	telemetrysqlite "github.com/farmountain/aureus-go/controlplane/internal/telemetry/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/vocab"
)

func openService(t *testing.T) *Service {
	t.Helper()
	s := &Service{Now: time.Now, Log: slog.New(slog.DiscardHandler), Life: t.Context()}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{OnAudit: func(tenant string, _ int) { s.Notify(tenant) }})
	require.NoError(t, err)
	s.Store = db
	s.Telemetry, err = telemetrysqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), telemetry.Options{OnEvents: s.Notify})
	require.NoError(t, err)
	identity, err := db.Identity(t.Context())
	require.NoError(t, err)
	s.Files = identity + s.Telemetry.Identity()
	t.Cleanup(func() { require.NoError(t, errors.Join(s.Telemetry.Close(), db.Close())) })
	return s
}

func (s *Service) addAudit(t *testing.T, kind string, n int) {
	t.Helper()
	require.NoError(t, s.Store.Update(t.Context(), func(tx storage.Tx) error {
		for range n {
			if err := tx.Audit().Append(tenant, s.Now(), aureus.AuditRecord{Kind: kind, Principal: "p"}); err != nil {
				return err
			}
		}
		return nil
	}))
}

const tenant = "default"

// startedFeed returns a feed that has read the ends of the stores. It has no
// goroutine: the test calls readNew itself.
func startedFeed(t *testing.T, s *Service) *feed {
	t.Helper()
	f := &feed{service: s, tenant: tenant, changed: make(chan struct{})}
	_, err := f.readNew(t.Context())
	require.NoError(t, err)
	return f
}

// A stream of approvals passes 25,000 decisions within four calls of next, and sends
// the one approval after them.
func TestStream_FilteredToApprovals_PassesDecisionsInLargeSteps(t *testing.T) {
	s := openService(t)
	s.addAudit(t, vocab.AuditDecision, 25_000)
	s.addAudit(t, vocab.AuditApprovalRequested, 1)
	feed := startedFeed(t, s)
	f := &follower{service: s, caller: web.Caller{Tenant: tenant}, approvals: true}
	var out bytes.Buffer
	calls := 0
	for more := true; more; calls++ {
		var err error
		more, _, err = f.next(t.Context(), feed, &out)
		require.NoError(t, err)
		require.LessOrEqual(t, calls, 4)
	}
	require.Equal(t, 1, strings.Count(out.String(), "event: "), out.String())
	require.Contains(t, out.String(), "id: 0-25001\nevent: approval\n")
	require.EqualValues(t, 25_001, f.position.audit)
}

// A stream of one type of event passes many events of other types and tenants.
func TestStream_FilteredToAType_PassesOtherEventsInLargeSteps(t *testing.T) {
	s := openService(t)
	item := func(kind aureus.TelemetryEventType) telemetry.Item {
		i, err := telemetry.Read(telemetry.Events, []byte(`{"type":"`+string(kind)+`","timestamp":"2026-01-01T00:00:00Z","data":{}}`))
		require.NoError(t, err)
		return i
	}
	many := make([]telemetry.Item, 12_000)
	for i := range many {
		many[i] = item(aureus.EventCustom)
	}
	require.NoError(t, s.Telemetry.Append(t.Context(), tenant, many))
	require.NoError(t, s.Telemetry.Append(t.Context(), "other", many))
	require.NoError(t, s.Telemetry.Append(t.Context(), tenant, []telemetry.Item{item(aureus.EventStepEnd)}))
	f := &follower{service: s, caller: web.Caller{Tenant: tenant}, telemetry: true, eventType: string(aureus.EventStepEnd)}
	feed := startedFeed(t, s)
	var out bytes.Buffer
	calls := 0
	for more := true; more; calls++ {
		var err error
		more, _, err = f.next(t.Context(), feed, &out)
		require.NoError(t, err)
		require.LessOrEqual(t, calls, 4)
	}
	require.Equal(t, 1, strings.Count(out.String(), "event: "))
	require.EqualValues(t, 24_001, f.position.telemetry)
}

// Followers that are up to date read from the feed and not from the stores: these
// have no service to read with. Their position advances although nothing matches.
func TestFeed_ManyFollowersWithoutMatches_AdvanceWithoutReadingTheStores(t *testing.T) {
	s := openService(t)
	feed := startedFeed(t, s)
	followers := make([]*follower, 100)
	for i := range followers {
		followers[i] = &follower{telemetry: true, approvals: true, workflow: "none", principal: "nobody"}
	}
	for range 10 {
		s.addAudit(t, vocab.AuditDecision, 30)
		_, err := feed.readNew(t.Context())
		require.NoError(t, err)
		for _, f := range followers {
			var out bytes.Buffer
			more, _, err := f.next(t.Context(), feed, &out)
			require.NoError(t, err)
			require.False(t, more)
			require.Zero(t, out.Len())
		}
	}
	require.EqualValues(t, 300, followers[99].position.audit)
}

// next returns one part at a time, so that a slow client holds little memory.
func TestStream_ManyEventsAtOnce_AreSentInParts(t *testing.T) {
	feed := &feed{started: true, changed: make(chan struct{})}
	for i := range 100 {
		feed.audit.items = append(feed.audit.items, auditEvent{int64(i + 1), vocab.StreamDecision, "p", bytes.Repeat([]byte("x"), 10_000)})
	}
	feed.audit.to = 100
	f := &follower{decisions: true}
	got := 0
	for more := true; more; {
		var out bytes.Buffer
		var err error
		more, _, err = f.next(t.Context(), feed, &out)
		require.NoError(t, err)
		require.LessOrEqual(t, out.Len(), maxPart+11_000)
		got += strings.Count(out.String(), "event: ")
	}
	require.Equal(t, 100, got, "each event is sent once")
}

func TestStream_LastEventIDOfAnotherDatabase_StartsAgainAtTheBeginning(t *testing.T) {
	s := openService(t)
	s.addAudit(t, vocab.AuditDecision, 5)
	for name, row := range map[string]struct {
		last  string
		reset bool
		start position
	}{
		"no Last-Event-ID":               {"", false, position{0, 5, s.Files}},
		"an event of these stores":       {"0-3-" + s.Files, false, position{0, 3, s.Files}},
		"an event of an older version":   {"0-3", false, position{0, 3, s.Files}},
		"another database":               {"0-3-0123456789ab0123456789ab", true, position{0, 0, s.Files}},
		"after the end of the audit log": {"0-6-" + s.Files, true, position{0, 0, s.Files}},
		"after the end of the telemetry": {"1-3-" + s.Files, true, position{0, 0, s.Files}},
		"after the end, older version":   {"0-6", true, position{0, 0, s.Files}},
		"the last event":                 {"0-5-" + s.Files, false, position{0, 5, s.Files}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &follower{service: s, caller: web.Caller{Tenant: tenant}}
			resetReason, err := f.start(t.Context(), row.last)
			require.NoError(t, err)
			require.Equal(t, row.reset, resetReason != "")
			require.Equal(t, row.start, f.position)
		})
	}
}
