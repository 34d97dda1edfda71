package telemetry

import (
	"sync"
	"sync/atomic"
)

// request is one call of Append that waits for its commit.
type request struct {
	tenant  string
	items   []Item
	cost    int64
	claimed atomic.Bool // by the writer, or by a caller that gave up
	done    chan error  // receives once, after the commit
}

// queue holds what waits to be written, bounded by its cost. Its order is the
// order of arrival.
type queue struct {
	mu       sync.Mutex
	requests []*request
	cost     int64
	limit    int64
	closed   bool
	wake     chan struct{} // holds a token while there may be something to take
}

func newQueue(limit int64) *queue {
	return &queue{limit: limit, wake: make(chan struct{}, 1)}
}

// push adds a request, or says why not.
func (q *queue) push(r *request) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if len(q.requests) > 0 && q.cost+r.cost > q.limit {
		return ErrBusy
	}
	q.requests = append(q.requests, r)
	q.cost += r.cost
	q.signal()
	return nil
}

// take removes the oldest requests, up to most in cost but at least one, and
// claims them. ended says that the queue is closed and empty.
func (q *queue) take(most int64) (batch []*request, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	var cost int64
	n := 0
	for n < len(q.requests) && (n == 0 || cost+q.requests[n].cost <= most) {
		cost += q.requests[n].cost
		n++
	}
	for _, r := range q.requests[:n] {
		if r.claimed.CompareAndSwap(false, true) {
			batch = append(batch, r)
		}
	}
	q.requests = append(q.requests[:0:0], q.requests[n:]...)
	q.cost -= cost
	if len(q.requests) > 0 || q.closed {
		q.signal()
	}
	return batch, q.closed && len(q.requests) == 0
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.signal()
}

func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.requests)
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
