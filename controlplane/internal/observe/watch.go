package observe

import (
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Watch notes what changes in one tenant. It keeps the feed of the tenant running until
// Stop is called, and is used by one goroutine.
type Watch struct {
	feed     *feed
	stop     func()
	ended    <-chan struct{}
	started  bool
	position position
	revision int64
}

// The topics of a [Watch] besides those of the stream (vocab.StreamPolicy and so on).
const (
	// TopicStart is the first topic of every Watch: changes are noted from then on.
	TopicStart = "start"
	// TopicAudit means that the audit log has new entries, of any kind.
	TopicAudit = "audit"
)

// Watch returns a Watch of the tenant.
func (s *Service) Watch(tenant string) *Watch {
	feed, stop := s.subscribe(tenant)
	return &Watch{feed: feed, stop: stop, ended: s.streams.wait()}
}

// Stop ends the watch. It may be called more than once.
func (w *Watch) Stop() { w.stop() }

// Ended returns a channel that is closed when the service ends the streams of all clients:
// see [Service.EndStreams]. Who sends the changes to a client must then return.
func (w *Watch) Ended() <-chan struct{} { return w.ended }

// Next returns the topics that have changed since the last call, each once. It does not
// wait.
func (w *Watch) Next() (topics []string) {
	events, audit, policy, started, _ := w.feed.snapshot()
	if !started {
		return nil
	}
	if !w.started {
		w.started, w.position, w.revision = true, position{telemetry: events.to, audit: audit.to}, policy.revision
		return []string{TopicStart}
	}
	if policy.revision != w.revision {
		topics = append(topics, vocab.StreamPolicy)
	}
	reported := events.from > w.position.telemetry // older events are no longer in memory
	for _, event := range events.items {
		reported = reported || event.Seq > w.position.telemetry
	}
	if reported {
		topics = append(topics, vocab.StreamTelemetry)
	}
	if audit.to > w.position.audit {
		topics = append(topics, TopicAudit)
	}
	for _, kind := range []string{vocab.StreamDecision, vocab.StreamApproval} {
		missed := audit.from > w.position.audit // older entries are no longer in memory
		for _, entry := range audit.items {
			missed = missed || entry.sequence > w.position.audit && entry.kind == kind
		}
		if missed {
			topics = append(topics, kind)
		}
	}
	w.position, w.revision = position{telemetry: events.to, audit: audit.to}, policy.revision
	return topics
}
