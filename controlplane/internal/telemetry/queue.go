package telemetry

import (
	"sync"
	"sync/atomic"
)

// request is one call of Append or KeepAnswer that waits for its commit.
type request struct {
	tenant  string
	items   []Item
	answer  *answerRow // instead of items
	cost    int64
	claimed atomic.Bool // by the writer, or by a caller that gave up
	done    chan error  // receives once, after the commit
}

// lane holds what waits of one sort, bounded by its cost. Its order is the order
// of arrival.
type lane struct {
	requests []*request
	cost     int64
}

// queue holds what waits to be written. Answers have a lane of their own, so
// that telemetry neither keeps them out nor lets them wait.
type queue struct {
	mu      sync.Mutex
	answers lane
	items   lane
	limit   int64 // of each lane
	closed  bool
	wake    chan struct{} // holds a token while there may be something to take
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
		return ErrClosed
	}
	l := &q.items
	if r.answer != nil {
		l = &q.answers
	}
	if len(l.requests) > 0 && l.cost+r.cost > q.limit {
		return ErrBusy
	}
	l.requests = append(l.requests, r)
	l.cost += r.cost
	q.signal()
	return nil
}

// take removes the oldest requests of each lane, up to most in cost but at least
// one, and claims them. ended says that the queue is closed and empty.
func (q *queue) take(most int64) (batch []*request, ended bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	batch = q.items.take(q.answers.take(nil, most), most)
	left := len(q.answers.requests) + len(q.items.requests)
	if left > 0 || q.closed {
		q.signal()
	}
	return batch, q.closed && left == 0
}

// take moves the oldest requests to the batch.
func (l *lane) take(batch []*request, most int64) []*request {
	var cost int64
	n := 0
	for n < len(l.requests) && (n == 0 || cost+l.requests[n].cost <= most) {
		cost += l.requests[n].cost
		n++
	}
	for _, r := range l.requests[:n] {
		if r.claimed.CompareAndSwap(false, true) {
			batch = append(batch, r)
		}
	}
	l.requests = append(l.requests[:0:0], l.requests[n:]...)
	l.cost -= cost
	return batch
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
	return len(q.items.requests)
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
