package sqlite

import (
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// request is one call of Append that waits for its commit.
type request struct {
	tenant  string
	items   []telemetry.Item
	cost    int64
	claimed atomic.Bool // set by the writer, or by a caller that no longer waits
	done    chan error  // receives once, after the commit
}

// lane holds waiting requests, with a limit of their cost for each tenant. Requests of
// one tenant are served in the order of arrival, and tenants take turns.
type lane struct {
	turns    []string // the tenants with waiting requests, in the order of their turns
	tenants  map[string]*waiting
	requests int
	cost     int64
}

// waiting holds the waiting requests of one tenant.
type waiting struct {
	requests []*request
	cost     int64
}

// allTenants is the limit of all tenants together, as a multiple of the limit of one.
// A tenant without a waiting request may add one beyond that.
const allTenants = 4

// room reports whether the request may be added.
func (l *lane) room(r *request, limit int64) bool {
	w := l.tenants[r.tenant]
	return w == nil || w.cost+r.cost <= limit && l.cost+r.cost <= allTenants*limit
}

func (l *lane) push(r *request) {
	w := l.tenants[r.tenant]
	if w == nil {
		w = &waiting{}
		if l.tenants == nil {
			l.tenants = map[string]*waiting{}
		}
		l.tenants[r.tenant] = w
		l.turns = append(l.turns, r.tenant)
	}
	w.requests = append(w.requests, r)
	w.cost += r.cost
	l.requests++
	l.cost += r.cost
}

// pop removes the oldest request of the tenant whose turn it is.
func (l *lane) pop() *request {
	tenant := l.turns[0]
	w := l.tenants[tenant]
	r := w.requests[0]
	w.requests[0] = nil
	w.requests = w.requests[1:]
	w.cost -= r.cost
	l.requests--
	l.cost -= r.cost
	l.turns = l.turns[1:]
	if len(w.requests) > 0 {
		l.turns = append(l.turns, tenant)
	} else {
		delete(l.tenants, tenant)
	}
	return r
}

// take moves requests to the batch, one of each tenant in turn, up to limit in
// cost, but at least one.
func (l *lane) take(batch []*request, limit int64) []*request {
	var cost int64
	for n := 0; l.requests > 0 && (n == 0 || cost+l.tenants[l.turns[0]].requests[0].cost <= limit); n++ {
		r := l.pop()
		cost += r.cost
		if r.claimed.CompareAndSwap(false, true) {
			batch = append(batch, r)
		}
	}
	return batch
}

// queue holds the requests that wait to be written.
type queue struct {
	mu     sync.Mutex
	items  lane
	limit  int64 // the limit of the cost of one tenant's waiting requests
	closed bool
	wake   chan struct{} // a signal for the writer; holds at most one
}

func newQueue(limit int64) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// push adds a request, or fails with ErrClosed or ErrBusy.
func (q *queue) push(r *request) error {
	r.done = make(chan error, 1)
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return telemetry.ErrClosed
	}
	if !q.items.room(r, q.limit) {
		return telemetry.ErrBusy
	}
	q.items.push(r)
	q.signal()
	return nil
}

// take removes and claims requests, up to limit in cost but at least one. ended reports
// whether the queue is closed and empty.
func (q *queue) take(limit int64) (batch []*request, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch = q.items.take(nil, limit)
	left := q.items.requests
	if left > 0 || q.closed {
		q.signal()
	}
	return batch, q.closed && left == 0
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

// waiting returns the number of calls of Append that wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.items.requests
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
