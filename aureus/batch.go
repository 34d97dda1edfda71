package aureus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// maxAuditItems is how many items the control plane takes at once for its
	// audit log.
	maxAuditItems = 2048

	// maxParallel bounds the requests of one report that are under way at once.
	maxParallel = 4

	// maxTooLarge bounds how many more answers 413 than successes there may be to
	// the requests of one report.
	maxTooLarge = 256

	// maxPooled bounds the buffers that are kept for the next batch.
	maxPooled = 1 << 20
)

// batchSize bounds one request of a batch.
type batchSize struct{ items, bytes int }

var defaultBatchSize = batchSize{items: 2048, bytes: 8 << 20}

// batch is the items of one request, as a JSON array, and where they stood in
// what the caller passed.
type batch struct {
	body    []byte
	ends    []int // where each item ends in body
	indexes []int
}

// batchResponse is what became of the items of one request.
type batchResponse wire.BatchResponse[Rejection]

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
func (b *batch) add(index int, item appendItem, limit batchSize) (ok bool, err error) {
	if len(b.indexes) >= limit.items {
		return false, nil
	}
	before := len(b.body)
	if len(b.indexes) > 0 {
		b.body = append(b.body, ',')
	}
	b.body, err = item(b.body, index)
	if err != nil || (len(b.body)+len("]") > limit.bytes && len(b.indexes) > 0) {
		b.body = b.body[:before]
		return err != nil, err
	}
	b.ends = append(b.ends, len(b.body))
	b.indexes = append(b.indexes, index)
	return true, nil
}

// text is the JSON texts of the items from one on and to before another, with
// commas between.
func (b *batch) text(from, to int) []byte {
	start := len("[")
	if from > 0 {
		start = b.ends[from-1] + len(",")
	}
	return b.body[start:b.ends[to-1]]
}

// reportBatch posts the items to path/batch, in as many requests as their size
// needs. single, where there is one, remembers that the server has no such path.
// It returns how many were accepted, also with an error.
func reportBatch[T encoder](ctx context.Context, c *Client, op, path string, single *atomic.Bool, items []T) (accepted int, err error) {
	return reportEach(ctx, c, op, path, single, len(items), func(b []byte, i int) ([]byte, error) { return appendReport(b, items[i]) })
}

func reportEach(ctx context.Context, c *Client, op, path string, single *atomic.Bool, n int, item appendItem) (accepted int, err error) {
	if err := c.ready(op); err != nil {
		return 0, err
	}
	r := &batchReport{client: c, op: op, path: path, single: single, result: PartialError{Op: op}}
	limit := c.batchSize
	if single == nil {
		limit.items = min(limit.items, maxAuditItems)
	}
	next := newBatch()
	for i := 0; i < n && !r.failed(); {
		ok, err := next.add(i, item, limit)
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
	err = r.finish(ctx, next)
	return r.result.Accepted, err
}

// batchReport is one report on its way.
type batchReport struct {
	client   *Client
	op, path string
	single   *atomic.Bool

	running sync.WaitGroup
	slots   chan struct{}

	mu       sync.Mutex
	result   PartialError
	errs     []error
	tooLarge int // answers 413, less those requests that were taken
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

// finish sends the last batch on the caller's goroutine and waits for all. The
// error is nil, what went wrong, or where items were rejected a [*PartialError]
// with it.
func (r *batchReport) finish(ctx context.Context, last *batch) error {
	if len(last.indexes) > 0 && !r.failed() {
		r.note(r.send(ctx, last))
	}
	r.running.Wait()
	if len(r.errs) > 0 {
		r.result.Err = r.undelivered()
	}
	if len(r.result.Rejected) == 0 {
		return r.result.Err
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

// taken notes that a request was taken, with n of its items.
func (r *batchReport) taken(n int) {
	r.mu.Lock()
	r.result.Accepted += n
	r.tooLarge--
	r.mu.Unlock()
}

func (r *batchReport) reject(rejections ...Rejection) {
	r.mu.Lock()
	r.result.Rejected = append(r.result.Rejected, rejections...)
	r.mu.Unlock()
}

func (r *batchReport) send(ctx context.Context, b *batch) error {
	b.body = append(b.body, ']')
	return r.deliver(ctx, b, 0, len(b.indexes))
}

// deliver posts the items of the batch from one on and to before another. What
// the server answers with 413 is halved and sent again; a single item is then
// rejected.
func (r *batchReport) deliver(ctx context.Context, b *batch, from, to int) error {
	if r.single != nil && r.single.Load() {
		return r.sendSingly(ctx, b, from, to)
	}
	err := r.post(ctx, b, from, to)
	e, answered := errors.AsType[*Error](err)
	switch {
	case !answered:
		return err
	case r.single != nil && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed):
		err := r.sendSingly(ctx, b, from, to)
		if !errors.Is(err, ErrNotFound) { // a server that has nothing at all is another case
			r.single.Store(true)
		}
		return err
	case e.StatusCode != http.StatusRequestEntityTooLarge:
		return err
	case !r.mayHalve():
		changed := *e
		changed.Message = fmt.Sprintf("the report was given up, since more than %d of its requests were too large: %s", maxTooLarge, e.Message)
		return &changed
	case to-from > 1:
		return r.halve(ctx, b, from, to)
	}
	reason := strings.TrimSpace("the server answered this item alone with 413 "+e.Code) + ": " + e.Message
	r.reject(Rejection{Index: b.indexes[from], Reason: clip(reason, maxMessage)})
	return nil
}

// halve delivers one half after the other.
func (r *batchReport) halve(ctx context.Context, b *batch, from, to int) error {
	middle := from + (to-from)/2
	if err := r.deliver(ctx, b, from, middle); err != nil {
		return err
	}
	return r.deliver(ctx, b, middle, to)
}

// mayHalve counts an answer 413 and reports whether there were few enough: a
// server that takes something is asked on, and one that takes nothing is not.
func (r *batchReport) mayHalve() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tooLarge++
	return r.tooLarge <= maxTooLarge
}

// post makes one request of the items. Where they are not the whole batch, they
// get a buffer of their own, since the transport may still read the batch's.
func (r *batchReport) post(ctx context.Context, b *batch, from, to int) error {
	part := b
	if to-from < len(b.indexes) {
		part = newBatch()
		part.body = append(append(part.body, b.text(from, to)...), ']')
	}
	var answer batchResponse
	released := false
	k := call{
		op: r.op, class: classReports, keyed: true, method: http.MethodPost, path: r.path + "/batch", body: part.body,
		released: func() { released = true },
	}
	defer func() {
		if released {
			part.free() // only now: indexes is read until here
		}
	}()
	if err := r.client.invoke(ctx, k, &answer); err != nil {
		return err
	}
	indexes := b.indexes[from:to]
	if err := answer.accountsFor(len(indexes)); err != nil {
		return malformed(r.op, err)
	}
	for i := range answer.Rejected {
		rejection := &answer.Rejected[i]
		rejection.Index = indexes[rejection.Index]
		rejection.Reason = clip(rejection.Reason, maxMessage)
	}
	r.taken(answer.Accepted)
	r.reject(answer.Rejected...)
	return nil
}

// accountsFor checks that each of n items was either accepted or rejected.
func (a *batchResponse) accountsFor(n int) error {
	if a.Accepted < 0 || a.Accepted+len(a.Rejected) != n {
		return fmt.Errorf("it accounts for %d items of %d", a.Accepted+len(a.Rejected), n)
	}
	rejected := make(map[int]bool, len(a.Rejected))
	for _, rejection := range a.Rejected {
		switch i := rejection.Index; {
		case i < 0 || i >= n:
			return fmt.Errorf("it rejects an item %d of %d", i, n)
		case rejected[i]:
			return fmt.Errorf("it rejects item %d twice", i)
		default:
			rejected[i] = true
		}
	}
	return nil
}

// sendSingly posts the items one by one to a server without batch paths, some
// at once. An item that is refused does not stop the others; any other failure
// does.
func (r *batchReport) sendSingly(ctx context.Context, b *batch, from, to int) error {
	caller := ctx
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var next, sent atomic.Int64
	next.Store(int64(from))
	var workers sync.WaitGroup
	var once sync.Once
	var failure error
	n := to - from
	for range min(maxParallel, n) {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= to || ctx.Err() != nil {
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
	if failure != nil && n > 1 { // what was stopped with it may have been heard
		return unrepeatable(failure)
	}
	if cause := context.Cause(caller); failure == nil && cause != nil && sent.Load() < int64(n) {
		return &Error{Op: r.op, Message: "gave up: " + clip(cause.Error(), maxMessage), Err: errors.Join(ErrUnavailable, cause, caller.Err())}
	}
	return failure
}

func (r *batchReport) sendOne(ctx context.Context, b *batch, i int) error {
	k := call{op: r.op, class: classReports, keyed: true, method: http.MethodPost, path: r.path, body: b.text(i, i+1)}
	err := r.client.do(ctx, k, func(*http.Response) error { return nil })
	switch {
	case err == nil:
		r.taken(1)
	case errors.Is(err, ErrInvalid):
		r.reject(Rejection{Index: b.indexes[i], Reason: clip(err.Error(), maxMessage)})
	default:
		return err
	}
	return nil
}
