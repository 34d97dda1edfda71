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

func openForFeeds(t *testing.T) *Service {
	t.Helper()
	s := &Service{Now: time.Now, Log: slog.New(slog.DiscardHandler), Life: t.Context()}
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{OnAudit: s.News})
	require.NoError(t, err)
	s.Store = db
	s.Telemetry, err = telemetrysqlite.Open(t.Context(), filepath.Join(t.TempDir(), "t.db"), telemetry.Options{OnEvents: s.News})
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

// begunFeed is a feed that has read where the stores end, without its goroutine.
func begunFeed(t *testing.T, s *Service) *feed {
	t.Helper()
	f := &feed{service: s, tenant: tenant, changed: make(chan struct{})}
	_, err := f.look(t.Context())
	require.NoError(t, err)
	return f
}

// A stream of approvals is behind 25,000 decisions after three looks, and sends
// nothing but approvals.
func TestStream_FilteredToApprovals_PassesDecisionsInLargeSteps(t *testing.T) {
	s := openForFeeds(t)
	s.addAudit(t, vocab.AuditDecision, 25_000)
	s.addAudit(t, vocab.AuditApprovalRequested, 1)
	feed := begunFeed(t, s)
	f := &follower{service: s, caller: web.Caller{Tenant: tenant}, approvals: true}
	var out bytes.Buffer
	looks := 0
	for more := true; more; looks++ {
		var err error
		more, _, err = f.next(t.Context(), feed, &out)
		require.NoError(t, err)
		require.LessOrEqual(t, looks, 4)
	}
	require.Equal(t, 1, strings.Count(out.String(), "event: "), out.String())
	require.Contains(t, out.String(), "id: 0-25001\nevent: approval\n")
	require.EqualValues(t, 25_001, f.at.audit)
}

// The same for telemetry of one type among many of others.
func TestStream_FilteredToAType_PassesOtherEventsInLargeSteps(t *testing.T) {
	s := openForFeeds(t)
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
	feed := begunFeed(t, s)
	var out bytes.Buffer
	looks := 0
	for more := true; more; looks++ {
		var err error
		more, _, err = f.next(t.Context(), feed, &out)
		require.NoError(t, err)
		require.LessOrEqual(t, looks, 4)
	}
	require.Equal(t, 1, strings.Count(out.String(), "event: "))
	require.EqualValues(t, 24_001, f.at.telemetry)
}

// Who follows at the end reads no store: the follower has none here. A hundred
// that match nothing cost one reading, and go on all the same.
func TestFeed_AHundredFollowersThatMatchNothing_ReadTheStoresOnce(t *testing.T) {
	s := openForFeeds(t)
	feed := begunFeed(t, s)
	followers := make([]*follower, 100)
	for i := range followers {
		followers[i] = &follower{telemetry: true, approvals: true, workflow: "none", principal: "nobody"}
	}
	for range 10 {
		s.addAudit(t, vocab.AuditDecision, 30)
		_, err := feed.look(t.Context())
		require.NoError(t, err)
		for _, f := range followers {
			var out bytes.Buffer
			more, _, err := f.next(t.Context(), feed, &out)
			require.NoError(t, err)
			require.False(t, more)
			require.Zero(t, out.Len())
		}
	}
	require.EqualValues(t, 300, followers[99].at.audit)
}

func TestFeed_HoldsNoMoreThanItsBounds(t *testing.T) {
	var r recent[auditEvent]
	of := func(e auditEvent) (int64, int) { return e.sequence, len(e.text) }
	for i := range 3 * maxRecent {
		r.add([]auditEvent{{sequence: int64(i + 1)}}, int64(i+1), of)
	}
	require.Len(t, r.items, maxRecent)
	require.EqualValues(t, 2*maxRecent, r.from)
	require.EqualValues(t, 3*maxRecent, r.to)
	large := make([]byte, maxRecentBytes/2)
	r.add([]auditEvent{{sequence: 1e6, text: large}, {sequence: 1e6 + 1, text: large}, {sequence: 1e6 + 2, text: large}}, 1e6+2, of)
	require.Len(t, r.items, 2)
	require.Equal(t, int64(1_000_000), r.from)
	require.Equal(t, maxRecentBytes, r.bytes)
}

// A slow reader gets a portion at a time.
func TestStream_ManyEventsAtOnce_AreSentInPortions(t *testing.T) {
	feed := &feed{begun: true, changed: make(chan struct{})}
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
		require.LessOrEqual(t, out.Len(), maxPortion+11_000)
		got += strings.Count(out.String(), "event: ")
	}
	require.Equal(t, 100, got, "each once")
}

func TestStream_APlaceThatTheStoresDoNotHave_IsAReset(t *testing.T) {
	s := openForFeeds(t)
	s.addAudit(t, vocab.AuditDecision, 5)
	for name, row := range map[string]struct {
		last   string
		reset  bool
		begins place
	}{
		"now":                            {"", false, place{0, 5, s.Files}},
		"an event of these":              {"0-3-" + s.Files, false, place{0, 3, s.Files}},
		"an event of an older version":   {"0-3", false, place{0, 3, s.Files}},
		"another database":               {"0-3-0123456789ab0123456789ab", true, place{0, 0, s.Files}},
		"behind the end of the audit":    {"0-6-" + s.Files, true, place{0, 0, s.Files}},
		"behind the end of telemetry":    {"1-3-" + s.Files, true, place{0, 0, s.Files}},
		"behind the end, older version":  {"0-6", true, place{0, 0, s.Files}},
		"the end, where nothing is lost": {"0-5-" + s.Files, false, place{0, 5, s.Files}},
	} {
		t.Run(name, func(t *testing.T) {
			f := &follower{service: s, caller: web.Caller{Tenant: tenant}}
			require.NoError(t, f.begin(t.Context(), row.last))
			require.Equal(t, row.reset, f.reset != "")
			require.Equal(t, row.begins, f.at)
		})
	}
}
