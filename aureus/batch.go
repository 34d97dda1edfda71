package aureus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

const (
	// maxBatchItems and maxBatchBytes bound one request of a batch. The control
	// plane takes no more items than these for its audit log.
	maxBatchItems = 2048
	maxBatchBytes = 8 << 20

	// maxParallel bounds the requests of one report that are under way at once.
	maxParallel = 4

	// maxPooled bounds the buffers that are kept for the next batch.
	maxPooled = 1 << 20
)

// batch is the items of one request, as a JSON array, and where they stood in
// what the caller passed.
type batch struct {
	body    []byte
	ends    []int // where each item ends in body
	indexes []int
}

// batchAnswer is what became of the items of one request.
type batchAnswer struct {
	Accepted int         `json:"accepted"`
	Rejected []Rejection `json:"rejected"`
}

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch {
	b, _ := batches.Get().(*batch)
	b.body, b.ends, b.indexes = append(b.body[:0], '['), b.ends[:0], b.indexes[:0]
	return b
}

// free keeps the buffers for another batch. The transport must be done with
// them.
func (b *batch) free() {
	if cap(b.body) <= maxPooled {
		batches.Put(b)
	}
}

// appendItem appends the JSON text of the ith item of a report.
type appendItem func(b []byte, i int) ([]byte, error)

// add appends an item and reports whether there was room for it.
func (b *batch) add(index int, item appendItem) (ok bool, err error) {
	if len(b.indexes) == maxBatchItems {
		return false, nil
	}
	before := len(b.body)
	if len(b.indexes) > 0 {
		b.body = append(b.body, ',')
	}
	b.body, err = item(b.body, index)
	if err != nil || (len(b.body) > maxBatchBytes && len(b.indexes) > 0) {
		b.body = b.body[:before]
		return err != nil, err
	}
	b.ends = append(b.ends, len(b.body))
	b.indexes = append(b.indexes, index)
	return true, nil
}

// reportBatch posts the items to path/batch, in as many requests as their size
// needs. single, where there is one, remembers that the server has no such path.
func reportBatch[T encoder](ctx context.Context, c *Client, op, path string, single *atomic.Bool, items []T) error {
	return reportEach(ctx, c, op, path, single, len(items), func(b []byte, i int) ([]byte, error) { return appendReport(b, items[i]) })
}

func reportEach(ctx context.Context, c *Client, op, path string, single *atomic.Bool, n int, item appendItem) error {
	if err := c.ready(op); err != nil {
		return err
	}
	r := &batchReport{client: c, op: op, path: path, single: single, result: PartialError{Op: op}}
	next := newBatch()
	for i := 0; i < n && !r.failed(); {
		ok, err := next.add(i, item)
		switch {
		case err != nil:
			r.reject(Rejection{Index: i, Reason: "it cannot be written as JSON: " + err.Error()})
			i++
		case ok:
			i++
		default:
			r.start(ctx, next)
			next = newBatch()
		}
	}
	return r.finish(ctx, next)
}

// batchReport is one report on its way.
type batchReport struct {
	client   *Client
	op, path string
	single   *atomic.Bool

	running sync.WaitGroup
	slots   chan struct{}

	mu     sync.Mutex
	result PartialError
	errs   []error
}

// start sends the batch beside others, as soon as a slot is free.
func (r *batchReport) start(ctx context.Context, b *batch) {
	if r.slots == nil {
		r.slots = make(chan struct{}, maxParallel)
	}
	r.slots <- struct{}{}
	r.running.Go(func() {
		defer func() { <-r.slots }()
		r.note(r.send(ctx, b))
	})
}

// finish sends the last batch on the caller's goroutine and waits for all.
func (r *batchReport) finish(ctx context.Context, last *batch) error {
	if len(last.indexes) > 0 && !r.failed() {
		r.note(r.send(ctx, last))
	}
	r.running.Wait()
	if len(r.errs) > 0 {
		return r.undelivered()
	}
	if len(r.result.Rejected) == 0 {
		return nil
	}
	slices.SortFunc(r.result.Rejected, func(a, b Rejection) int { return a.Index - b.Index })
	return &r.result
}

// undelivered is what went wrong. It is SafeToRetry only where nothing at all was
// delivered, since the whole report would be repeated.
func (r *batchReport) undelivered() error {
	safe := r.result.Accepted == 0
	for _, err := range r.errs {
		safe = safe && SafeToRetry(err)
	}
	if !safe {
		for i := range r.errs {
			r.errs[i] = unrepeatable(r.errs[i])
		}
	}
	return errors.Join(r.errs...)
}

func (r *batchReport) failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.errs) > 0
}

func (r *batchReport) note(err error) {
	if err != nil {
		r.mu.Lock()
		r.errs = append(r.errs, err)
		r.mu.Unlock()
	}
}

func (r *batchReport) accept(n int) {
	r.mu.Lock()
	r.result.Accepted += n
	r.mu.Unlock()
}

func (r *batchReport) reject(rejections ...Rejection) {
	r.mu.Lock()
	r.result.Rejected = append(r.result.Rejected, rejections...)
	r.mu.Unlock()
}

func (r *batchReport) send(ctx context.Context, b *batch) error {
	b.body = append(b.body, ']')
	if r.single != nil && r.single.Load() {
		return r.sendSingly(ctx, b)
	}
	var answer batchAnswer
	k := call{op: r.op, class: Reports, keyed: true, method: http.MethodPost, path: r.path + "/batch", body: b.body}
	released := false
	k.released = func() { released = true }
	defer func() {
		if released {
			b.free() // only now: indexes is read until here
		}
	}()
	err := r.client.invoke(ctx, k, &answer)
	if e, ok := errors.AsType[*Error](err); ok && r.single != nil && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed) {
		err := r.sendSingly(ctx, b)
		if !errors.Is(err, ErrNotFound) { // a server that has nothing at all is another case
			r.single.Store(true)
		}
		return err
	}
	if err != nil {
		return err
	}
	if answer.Accepted+len(answer.Rejected) != len(b.indexes) {
		return malformed(r.op, fmt.Errorf("it accounts for %d items of %d", answer.Accepted+len(answer.Rejected), len(b.indexes)))
	}
	for i := range answer.Rejected {
		rejection := &answer.Rejected[i]
		if rejection.Index < 0 || rejection.Index >= len(b.indexes) {
			return malformed(r.op, fmt.Errorf("it rejects an item %d of %d", rejection.Index, len(b.indexes)))
		}
		rejection.Index = b.indexes[rejection.Index]
		rejection.Reason = clip(rejection.Reason, maxMessage)
	}
	r.accept(answer.Accepted)
	r.reject(answer.Rejected...)
	return nil
}

// sendSingly posts the items one by one to a server without batch paths, some
// at once. An item that is refused does not stop the others; any other failure
// does.
func (r *batchReport) sendSingly(ctx context.Context, b *batch) error {
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next, sent atomic.Int64
	var workers sync.WaitGroup
	var once sync.Once
	var failure error
	for range min(maxParallel, len(b.ends)) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(b.ends) || ctx.Err() != nil {
					return
				}
				if err := r.sendOne(ctx, b, i); err != nil {
					once.Do(func() { failure = err; cancel() })
					return
				}
				sent.Add(1)
			}
		})
	}
	workers.Wait()
	if failure != nil && len(b.ends) > 1 { // what was stopped with it may have been heard
		return unrepeatable(failure)
	}
	if cause := context.Cause(caller); failure == nil && cause != nil && sent.Load() < int64(len(b.ends)) {
		return &Error{Op: r.op, Message: "gave up: " + clip(cause.Error(), maxMessage), Err: errors.Join(ErrUnavailable, cause, caller.Err())}
	}
	return failure
}

func (r *batchReport) sendOne(ctx context.Context, b *batch, i int) error {
	start := 1
	if i > 0 {
		start = b.ends[i-1] + 1
	}
	k := call{op: r.op, class: Reports, keyed: true, method: http.MethodPost, path: r.path, body: b.body[start:b.ends[i]]}
	err := r.client.do(ctx, k, func(*http.Response) error { return nil })
	switch {
	case err == nil:
		r.accept(1)
	case errors.Is(err, ErrInvalid):
		r.reject(Rejection{Index: b.indexes[i], Reason: clip(err.Error(), maxMessage)})
	default:
		return err
	}
	return nil
}
