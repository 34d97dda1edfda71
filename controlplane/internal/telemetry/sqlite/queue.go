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
	claimed atomic.Bool // by the writer, or by a caller that gave up
	done    chan error  // receives once, after the commit
}

// lane holds what waits, bounded by its cost for each tenant. The
// requests of a tenant go in the order of arrival, and tenants take turns.
type lane struct {
	turns    []string // the tenants of which something waits, the next one first
	tenants  map[string]*waiting
	requests int
	cost     int64
}

// waiting is what waits of one tenant.
type waiting struct {
	requests []*request
	cost     int64
}

// allTenants is how many times as much as of one tenant may wait of all. A tenant
// of which nothing waits may add one request beyond that.
const allTenants = 4

// room says whether the lane takes one more request.
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

// take moves requests to the batch, one of each tenant in turn: at least one, and
// beyond that as many as cost no more than limit together.
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

// queue holds what waits to be written.
type queue struct {
	mu     sync.Mutex
	items  lane
	limit  int64 // of the cost of what waits of one tenant
	closed bool
	wake   chan struct{} // holds a token while there may be something to take
}

func newQueue(limit int64) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// push adds a request, or says why not.
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

// take removes the oldest requests, up to the limit in cost but at least one, and
// claims them. ended says that the queue is closed and empty.
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

// waiting is how many calls of Append wait.
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
