package policy

import (
	"context"
	"errors"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
)

// RecordOutcomes records what became of decided requests; see [aureus.Outcome]. Code that
// enforces decisions calls it. Outcomes of requests that the control plane allowed are
// sent before it returns, because they may give back an approval or a part of a budget.
// All others are recorded in the background, as their decisions. Outcomes without a
// decision id are ignored.
//
// [Follower.RecordOutcome] does not wait, and is for all outcomes that give back nothing at
// once.
func (f *Follower) RecordOutcomes(ctx context.Context, outcomes []aureus.Outcome) error {
	if f == nil {
		return errNoFollower
	}
	var now []aureus.Outcome
	var failures []error
	for _, o := range outcomes {
		switch {
		case o.DecisionID.IsZero():
		case f.held.remove(o.DecisionID):
			now = append(now, o)
		default:
			if err := f.recordLater(o); err != nil {
				failures = append(failures, err)
			}
		}
	}
	if len(now) > 0 {
		if err := f.client.RecordOutcomes(ctx, now); err != nil {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// RecordOutcome records what became of a decided request, in the background. It fits the
// field Outcomes of middleware.Options. It does not wait for the control plane, and the
// outcome is sent after its decision. With a spool, it is in a file when RecordOutcome
// returns, so that it survives kill -9. An outcome that cannot be kept, because the queue or
// the spool is full or the follower was closed, is counted in [FollowStats.Dropped], and the
// logger gets a line. An outcome without a decision id is ignored, and a nil Follower
// ignores all.
func (f *Follower) RecordOutcome(_ context.Context, outcome aureus.Outcome) {
	if f == nil || outcome.DecisionID.IsZero() {
		return
	}
	f.held.remove(outcome.DecisionID)
	if err := f.recordLater(outcome); err != nil {
		f.counters.dropped.Add(1)
	}
	f.logDrops(false)
}

// recordLater puts an outcome behind the records that wait.
func (f *Follower) recordLater(o aureus.Outcome) error {
	err := f.records.outcome(o)
	if err == nil {
		f.counters.recorded.Add(1)
	}
	return err
}

// maxAwaited is the maximum number of decisions of the control plane without an outcome that
// are known. The outcome of an older one is sent in the background.
const maxAwaited = 1 << 16

// heldDecisions has the ids of requests that the control plane has allowed, until their
// outcome. The oldest is forgotten first. The zero value is empty.
type heldDecisions struct {
	mu    sync.Mutex
	found map[aureus.DecisionID]int // the place in order
	order []aureus.DecisionID       // a ring; zero for one that was removed
	next  int
}

func (h *heldDecisions) add(id aureus.DecisionID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.found == nil {
		h.found = map[aureus.DecisionID]int{}
	}
	if len(h.order) < maxAwaited {
		h.found[id] = len(h.order)
		h.order = append(h.order, id)
		return
	}
	delete(h.found, h.order[h.next])
	h.found[id], h.order[h.next] = h.next, id
	h.next = (h.next + 1) % maxAwaited
}

// remove reports whether the id was known.
func (h *heldDecisions) remove(id aureus.DecisionID) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, known := h.found[id]
	if known {
		delete(h.found, id)
		h.order[at] = aureus.DecisionID{}
	}
	return known
}
