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
	// maxAuditItems is the control plane's limit of records for the audit log in one
	// request.
	maxAuditItems = 2048

	// maxParallel limits the concurrent requests of one report.
	maxParallel = 4

	// maxTooLarge limits the responses with 413 to the requests of one report, minus the
	// successful responses. Beyond it, the report is given up.
	maxTooLarge = 256

	// maxPooled limits the size of a buffer that is kept for the next batch, in bytes.
	maxPooled = 1 << 20
)

// batchSize limits one request of a batch.
type batchSize struct{ items, bytes int }

var defaultBatchSize = batchSize{items: 2048, bytes: 8 << 20}

// batch has the items of one request as a JSON array, and the index of each item in
// the caller's list.
type batch struct {
	body    []byte
	ends    []int // where each item ends in body
	indexes []int
}

// batchResponse says which items of one request were accepted and rejected.
type batchResponse wire.BatchResponse[Rejection]

var batches = sync.Pool{New: func() any { return new(batch) }}

func newBatch() *batch {
	b, _ := batches.Get().(*batch)
	b.body, b.ends, b.indexes = append(b.body[:0], '['), b.ends[:0], b.indexes[:0]
	return b
}

// free keeps the buffers for another batch. The transport must not read them any
// more.
func (b *batch) free() {
	if cap(b.body) <= maxPooled {
		batches.Put(b)
	}
}

// appendItem appends the JSON text of the ith item of a report.
type appendItem func(b []byte, i int) ([]byte, error)

// add appends an item and reports whether it did: false if the item exceeds the
// limit of the batch.
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

// text is the JSON of the items from, from+1, … to-1, with commas between them.
func (b *batch) text(from, to int) []byte {
	start := len("[")
	if from > 0 {
		start = b.ends[from-1] + len(",")
	}
	return b.body[start:b.ends[to-1]]
}

// reportBatch posts the items to path/batch, in as many requests as the batch size
// needs. single, if not nil, remembers that the server has no such endpoint, and the
// items are posted to path one by one. It returns how many items were accepted, also
// with an error.
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
			r.reject(Rejection{Index: i, Reason: "the item cannot be written as JSON: " + err.Error()})
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

// batchReport is one call of a Report or Record method.
type batchReport struct {
	client   *Client
	op, path string
	single   *atomic.Bool

	running sync.WaitGroup
	slots   chan struct{}

	mu       sync.Mutex
	result   PartialError
	errs     []error
	tooLarge int // responses with 413, minus successes
}

// start sends the batch on a new goroutine. It waits until fewer than maxParallel are
// under way.
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

// finish sends the last batch on the caller's goroutine and waits for the others. If
// items were rejected, the error is a [*PartialError] that wraps the failures of
// requests, else it is those failures, or nil.
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

// undelivered joins the failures of requests. It is SafeToRetry only if no item was
// accepted, since the caller would repeat the whole report.
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

// taken counts the success of a request that accepted n items.
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

// deliver posts the items from, from+1, … to-1 of the batch. If the server answers
// with 413, deliver posts each half of them; one item alone is rejected then.
func (r *batchReport) deliver(ctx context.Context, b *batch, from, to int) error {
	if r.single != nil && r.single.Load() {
		return r.sendSingly(ctx, b, from, to)
	}
	err := r.post(ctx, b, from, to)
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case r.single != nil && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed):
		err := r.sendSingly(ctx, b, from, to)
		if !errors.Is(err, ErrNotFound) { // with 404 for single items too, the address is wrong
			r.single.Store(true)
		}
		return err
	case e.StatusCode != http.StatusRequestEntityTooLarge:
		return err
	case !r.mayHalve():
		changed := *e
		changed.Message = fmt.Sprintf("the report was given up after %d more responses with 413 than successes: %s", maxTooLarge, e.Message)
		return &changed
	case to-from > 1:
		return r.halve(ctx, b, from, to)
	}
	reason := strings.TrimSpace("the item alone is too large for the server: 413 "+e.Code) + ": " + e.Message
	r.reject(Rejection{Index: b.indexes[from], Reason: clip(reason, maxMessage)})
	return nil
}

// halve delivers the first half, then the second.
func (r *batchReport) halve(ctx context.Context, b *batch, from, to int) error {
	middle := from + (to-from)/2
	if err := r.deliver(ctx, b, from, middle); err != nil {
		return err
	}
	return r.deliver(ctx, b, middle, to)
}

// mayHalve counts a response with 413 and reports whether the limit maxTooLarge is
// kept.
func (r *batchReport) mayHalve() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tooLarge++
	return r.tooLarge <= maxTooLarge
}

// post sends the items in one request. If they are not the whole batch, they are
// copied into another buffer, since the transport may still read that of the batch.
func (r *batchReport) post(ctx context.Context, b *batch, from, to int) error {
	part := b
	if to-from < len(b.indexes) {
		part = newBatch()
		part.body = append(append(part.body, b.text(from, to)...), ']')
	}
	var response batchResponse
	released := false
	k := call{
		op: r.op, class: classReports, keyed: true, method: http.MethodPost, path: r.path + "/batch", body: part.body,
		released: func() { released = true },
	}
	defer func() {
		if released {
			part.free() // not earlier: the code below reads indexes
		}
	}()
	if err := r.client.invoke(ctx, k, &response); err != nil {
		return err
	}
	indexes := b.indexes[from:to]
	if err := response.accountsFor(len(indexes)); err != nil {
		return malformed(r.op, err)
	}
	for i := range response.Rejected {
		rejection := &response.Rejected[i]
		rejection.Index = indexes[rejection.Index]
		rejection.Reason = clip(rejection.Reason, maxMessage)
	}
	r.taken(response.Accepted)
	r.reject(response.Rejected...)
	return nil
}

// accountsFor checks that each of n items was either accepted or rejected.
func (r *batchResponse) accountsFor(n int) error {
	if r.Accepted < 0 || r.Accepted+len(r.Rejected) != n {
		return fmt.Errorf("the response accounts for %d of %d items", r.Accepted+len(r.Rejected), n)
	}
	rejected := make(map[int]bool, len(r.Rejected))
	for _, rejection := range r.Rejected {
		switch i := rejection.Index; {
		case i < 0 || i >= n:
			return fmt.Errorf("the response rejects item %d, and there are %d", i, n)
		case rejected[i]:
			return fmt.Errorf("the response rejects item %d twice", i)
		default:
			rejected[i] = true
		}
	}
	return nil
}

// sendSingly posts the items one by one, up to maxParallel at once, to a server
// without a batch endpoint. An item that the server refuses as invalid is rejected and
// does not stop the others; any other failure does.
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
	if failure != nil && n > 1 { // the server may have received others that were stopped
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
