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
	// feedPoll is how often a feed reads the stores without a call of Notify.
	feedPoll = time.Second
	// feedPause is the shortest time between two reads, so that many small commits
	// are read together.
	feedPause = 20 * time.Millisecond
	// auditReadLimit is how many entries of the audit log one read returns.
	auditReadLimit = 256
)

// feeds holds one feed for each tenant whose stream has clients.
type feeds struct {
	mu       sync.Mutex
	byTenant map[string]*feed
	ended    sync.WaitGroup // the goroutines of the feeds
}

// feed reads the new events of one tenant once for all its followers, and keeps
// the latest ones in memory. A follower that needs older events reads the stores
// itself. The feed's goroutine ends when the last follower unsubscribes.
type feed struct {
	service *Service
	tenant  string
	wake    chan struct{} // capacity 1: a value means that there are new events to read
	end     context.CancelFunc

	followers int // guarded by feeds.mu

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced after every read that advances
	started   bool          // the first read is done, so the windows have a position
	telemetry window[telemetry.Arrived]
	audit     window[auditEvent]
	policy    policyState
}

// auditEvent is an audit entry in the form in which the stream sends it.
type auditEvent struct {
	sequence        int64
	kind, principal string
	text            []byte // JSON
}

// subscribe returns the feed of the tenant, and starts it for the first follower.
// The follower must call unsubscribe when it ends.
func (s *Service) subscribe(tenant string) (f *feed, unsubscribe func()) {
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

// Notify makes the feed of the tenant, if there is one, read the stores soon. The
// stores call it after a commit. It does not block.
func (s *Service) Notify(tenant string) {
	s.feeds.mu.Lock()
	f := s.feeds.byTenant[tenant]
	s.feeds.mu.Unlock()
	if f == nil {
		return
	}
	select {
	case f.wake <- struct{}{}:
	default: // a read is already due
	}
}

// run reads the stores after each call of Notify, and at least once per feedPoll,
// until the context ends.
func (f *feed) run(ctx context.Context) {
	poll := time.NewTicker(feedPoll)
	defer poll.Stop()
	for {
		more, err := f.readNew(ctx)
		if err != nil && ctx.Err() == nil {
			f.service.Log.WarnContext(ctx, "reading new events for the stream failed", slog.String("tenant", f.tenant), slog.Any("error", err))
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

// readNew reads a limited number of new events into the windows. more is true if
// the stores have further ones. The first call starts at the present ends of the
// stores.
func (f *feed) readNew(ctx context.Context) (more bool, err error) {
	f.mu.Lock()
	started, from, policy := f.started, position{telemetry: f.telemetry.to, audit: f.audit.to}, f.policy
	f.mu.Unlock()
	if !started {
		if from, err = f.service.storeEnds(ctx, f.tenant); err != nil {
			return false, err
		}
	}
	events, telemetryTo, err := f.service.Telemetry.Tail(ctx, f.tenant, "", "", from.telemetry)
	if err != nil {
		return false, err
	}
	entries, auditTo, lastAudit, err := f.service.readAudit(ctx, f.tenant, storage.AuditTail{Decisions: true, Approvals: true}, from.audit)
	if err != nil {
		return false, err
	}
	inForce, err := f.service.readPolicy(ctx, f.tenant, policy)
	if err != nil {
		return false, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.started {
		f.started = true
		f.telemetry.from, f.telemetry.to, f.audit.from, f.audit.to = from.telemetry, from.telemetry, from.audit, from.audit
	} else if telemetryTo == from.telemetry && auditTo == from.audit && inForce.revision == policy.revision {
		return false, nil
	}
	f.policy = inForce
	f.telemetry.add(events, telemetryTo, func(e telemetry.Arrived) (int64, int) { return e.Seq, len(e.Body) })
	f.audit.add(entries, auditTo, func(e auditEvent) (int64, int) { return e.sequence, len(e.text) })
	close(f.changed)
	f.changed = make(chan struct{})
	return telemetryTo < f.service.Telemetry.Latest() || auditTo < lastAudit, nil
}

// snapshot returns the windows of the feed, the policy in force, whether the feed has
// started, and a channel that is closed when one of them changes.
func (f *feed) snapshot() (events window[telemetry.Arrived], audit window[auditEvent], policy policyState, started bool, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.telemetry, f.audit, f.policy, f.started, f.changed
}

// storeEnds returns the position of the latest event in both stores.
func (s *Service) storeEnds(ctx context.Context, tenant string) (end position, err error) {
	end.telemetry = s.Telemetry.Latest()
	err = s.Store.View(ctx, func(t storage.Tx) error {
		end.audit, err = t.Audit().Last(tenant)
		return err
	})
	return end, err
}

// readAudit returns the selected entries of the audit log after the sequence
// after, in order, auditReadLimit at most. reached is the sequence of the last
// entry that was examined: continue from there. last is the last one of the log.
func (s *Service) readAudit(ctx context.Context, tenant string, selected storage.AuditTail, after int64) (events []auditEvent, reached, last int64, err error) {
	selected.Limit = auditReadLimit
	var entries []aureus.AuditRecord
	err = s.Store.View(ctx, func(t storage.Tx) error {
		entries, reached, last, err = t.Audit().Tail(tenant, selected, after)
		return err
	})
	for i := range entries {
		if err != nil {
			break
		}
		event := auditEvent{sequence: entries[i].Sequence, kind: streamKind(entries[i].Kind), principal: entries[i].Principal}
		event.text, err = strictjson.MarshalText(entries[i])
		events = append(events, event)
	}
	return events, reached, last, err
}

// streamKind returns the stream's name for a kind of audit entry, and "" for a
// kind that the stream does not send.
func streamKind(entry string) string {
	switch {
	case entry == vocab.AuditDecision:
		return vocab.StreamDecision
	case strings.HasPrefix(entry, "approval_"):
		return vocab.StreamApproval
	}
	return ""
}
