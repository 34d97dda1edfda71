package observe

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
)

const (
	// feedPoll is how often a feed looks into the stores although nobody told it of
	// anything new: another process may have written.
	feedPoll = time.Second
	// feedPause is the least time between two looks, so that many small commits
	// are read together.
	feedPause = 20 * time.Millisecond
	// maxRecent and maxRecentBytes bound what a feed holds of each store.
	maxRecent      = 1024
	maxRecentBytes = 4 << 20
	// streamAudit is how many entries of the audit log are read at a time.
	streamAudit = 256
)

// feeds has one feed for each tenant that somebody follows.
type feeds struct {
	mu       sync.Mutex
	byTenant map[string]*feed
	ended    sync.WaitGroup
}

// feed reads what is new of one tenant once for all who follow it, and holds
// the latest of it. Who is further behind reads the stores. It has a goroutine,
// which ends with the last follower.
type feed struct {
	service *Service
	tenant  string
	wake    chan struct{} // holds one signal: there is something new
	end     context.CancelFunc

	followers int // guarded by feeds.mu

	mu        sync.Mutex
	changed   chan struct{} // closed when there is more, and replaced
	begun     bool          // it knows where the stores end
	telemetry recent[telemetry.Arrived]
	audit     recent[auditEvent]
}

// auditEvent is an entry that may be told, as it is told.
type auditEvent struct {
	sequence        int64
	kind, principal string
	text            []byte
}

// recent is the latest items of a store: all there are behind the place from, up
// to the place to.
type recent[T any] struct {
	from, to int64
	items    []T
	bytes    int
}

// follow gives the tenant's feed, which runs until leave is called.
func (s *Service) follow(tenant string) (f *feed, leave func()) {
	s.feeds.mu.Lock()
	defer s.feeds.mu.Unlock()
	f = s.feeds.byTenant[tenant]
	if f == nil {
		ctx, cancel := context.WithCancel(s.Life)
		f = &feed{service: s, tenant: tenant, wake: make(chan struct{}, 1), end: cancel, changed: make(chan struct{})}
		if s.feeds.byTenant == nil {
			s.feeds.byTenant = map[string]*feed{}
		}
		s.feeds.byTenant[tenant] = f
		s.feeds.ended.Go(func() { f.run(ctx) })
	}
	f.followers++
	return f, sync.OnceFunc(func() {
		s.feeds.mu.Lock()
		defer s.feeds.mu.Unlock()
		f.followers--
		if f.followers == 0 {
			f.end()
			delete(s.feeds.byTenant, tenant)
		}
	})
}

// News tells the tenant's feed, if there is one, that there is something new. It
// returns at once.
func (s *Service) News(tenant string) {
	s.feeds.mu.Lock()
	f := s.feeds.byTenant[tenant]
	s.feeds.mu.Unlock()
	if f == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default: // it is about to look
	}
}

func (f *feed) run(ctx context.Context) {
	poll := time.NewTicker(feedPoll)
	defer poll.Stop()
	for {
		more, err := f.look(ctx)
		if err != nil && ctx.Err() == nil {
			f.service.Log.WarnContext(ctx, "what is new cannot be read for those who follow", slog.String("tenant", f.tenant), slog.Any("error", err))
		}
		pause := time.NewTimer(feedPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return
		}
		if more && err == nil {
			continue
		}
		select {
		case <-f.wake:
		case <-poll.C:
		case <-ctx.Done():
			return
		}
	}
}

// look reads a portion of what is new, and says whether there is more.
func (f *feed) look(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	begun, at := f.begun, place{telemetry: f.telemetry.to, audit: f.audit.to}
	f.mu.Unlock()
	if !begun {
		if at, err = f.service.endOf(ctx, f.tenant); err != nil {
			return false, err
		}
	}
	events, seen, err := f.service.Telemetry.Tail(ctx, f.tenant, "", "", at.telemetry)
	if err != nil {
		return false, err
	}
	entries, reached, last, err := f.service.auditTail(ctx, f.tenant, storage.AuditTail{Decisions: true, Approvals: true}, at.audit)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.begun {
		f.begun = true
		f.telemetry.from, f.telemetry.to, f.audit.from, f.audit.to = at.telemetry, at.telemetry, at.audit, at.audit
	} else if seen == at.telemetry && reached == at.audit {
		return false, nil
	}
	f.telemetry.add(events, seen, func(e telemetry.Arrived) (int64, int) { return e.Seq, len(e.Body) })
	f.audit.add(entries, reached, func(e auditEvent) (int64, int) { return e.sequence, len(e.text) })
	close(f.changed)
	f.changed = make(chan struct{})
	return seen < f.service.Telemetry.Latest() || reached < last, nil
}

// add appends items that were found up to the place to, and lets go of the
// oldest beyond the bounds. Slices that were given out stay as they are.
func (r *recent[T]) add(items []T, to int64, of func(T) (place int64, size int)) {
	for _, item := range items {
		_, size := of(item)
		r.bytes += size
	}
	r.items, r.to = append(r.items, items...), to
	drop := 0
	for len(r.items)-drop > maxRecent || r.bytes > maxRecentBytes {
		at, size := of(r.items[drop])
		r.from = at
		r.bytes -= size
		drop++
	}
	if drop > 0 {
		r.items = append([]T(nil), r.items[drop:]...)
	}
}

// snapshot is what the feed holds, and a channel that is closed when it holds
// more.
func (f *feed) snapshot() (events recent[telemetry.Arrived], audit recent[auditEvent], begun bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.telemetry, f.audit, f.begun, f.changed
}

// endOf is where both stores end now.
func (s *Service) endOf(ctx context.Context, tenant string) (at place, err error) {
	at.telemetry = s.Telemetry.Latest()
	err = s.Store.View(ctx, func(t storage.Tx) error {
		at.audit, err = t.Audit().Last(tenant)
		return err
	})
	return at, err
}

// auditTail reads entries that may be told behind a place.
func (s *Service) auditTail(ctx context.Context, tenant string, which storage.AuditTail, after int64) (events []auditEvent, reached, last int64, err error) {
	which.Limit = streamAudit
	var entries []aureus.AuditRecord
	err = s.Store.View(ctx, func(t storage.Tx) error {
		entries, reached, last, err = t.Audit().Tail(tenant, which, after)
		return err
	})
	for i := range entries {
		if err != nil {
			break
		}
		event := auditEvent{sequence: entries[i].Sequence, kind: kindOf(entries[i].Kind), principal: entries[i].Principal}
		event.text, err = strictjson.MarshalText(entries[i])
		events = append(events, event)
	}
	return events, reached, last, err
}

// kindOf is the stream's word for a kind of audit entry, or empty.
func kindOf(entry string) string {
	switch {
	case entry == vocab.AuditDecision:
		return vocab.StreamDecision
	case strings.HasPrefix(entry, "approval_"):
		return vocab.StreamApproval
	}
	return ""
}
