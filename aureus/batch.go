package aureus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	// maxBatchItems and maxBatchBytes bound one request of a batch.
	maxBatchItems = 2048
	maxBatchBytes = 8 << 20
)

// batch is the items of one request, as a JSON array, and where they stood in
// what the caller passed.
type batch struct {
	body    []byte
	ends    []int // where each item ends in body
	indexes []int
}

// reportBatch posts the items to path/batch, as many requests as their size
// needs. single, where there is one, remembers that the server has no such path.
func reportBatch[T any](ctx context.Context, c *Client, op, path string, single *atomic.Bool, items []T) error {
	report := &PartialError{Op: op}
	next := batch{}
	flush := func() error {
		if len(next.indexes) == 0 {
			return nil
		}
		next.body = append(next.body, ']')
		err := c.sendBatch(ctx, op, path, single, next, report)
		next = batch{} // the transport may still be reading the old one
		return err
	}
	for i, item := range items {
		text, err := encodeReport(op, item)
		if err != nil {
			report.Rejected = append(report.Rejected, Rejection{Index: i, Reason: err.Error()})
			continue
		}
		if len(next.indexes) == maxBatchItems || len(next.body)+len(text) > maxBatchBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		separator := byte(',')
		if len(next.indexes) == 0 {
			separator = '['
		}
		next.body = append(append(next.body, separator), text...)
		next.ends = append(next.ends, len(next.body))
		next.indexes = append(next.indexes, i)
	}
	if err := flush(); err != nil {
		return err
	}
	if len(report.Rejected) > 0 {
		return report
	}
	return nil
}

func (c *Client) sendBatch(ctx context.Context, op, path string, single *atomic.Bool, b batch, report *PartialError) error {
	if single != nil && single.Load() {
		return c.sendSingly(ctx, op, path, b, report)
	}
	var answer struct {
		Accepted int         `json:"accepted"`
		Rejected []Rejection `json:"rejected"`
	}
	err := c.invoke(ctx, call{op: op, method: http.MethodPost, path: path + "/batch", body: b.body, class: Reports, keyed: true}, &answer)
	if e, ok := errors.AsType[*Error](err); ok && single != nil && (e.StatusCode == http.StatusNotFound || e.StatusCode == http.StatusMethodNotAllowed) {
		single.Store(true)
		return c.sendSingly(ctx, op, path, b, report)
	}
	if err != nil {
		return err
	}
	if answer.Accepted+len(answer.Rejected) != len(b.indexes) {
		return malformed(op, fmt.Errorf("it accounts for %d items of %d", answer.Accepted+len(answer.Rejected), len(b.indexes)))
	}
	report.Accepted += answer.Accepted
	for _, r := range answer.Rejected {
		if r.Index < 0 || r.Index >= len(b.indexes) {
			return malformed(op, fmt.Errorf("it rejects an item %d of %d", r.Index, len(b.indexes)))
		}
		report.Rejected = append(report.Rejected, Rejection{Index: b.indexes[r.Index], Reason: clip(r.Reason, maxMessage)})
	}
	return nil
}

// sendSingly posts the items one by one to a server without batch paths. An
// item that is refused does not stop the others; a key that is refused does.
func (c *Client) sendSingly(ctx context.Context, op, path string, b batch, report *PartialError) error {
	start := 1
	for i, end := range b.ends {
		item := b.body[start:end]
		start = end + 1
		err := c.do(ctx, call{op: op, method: http.MethodPost, path: path, body: item, class: Reports, keyed: true}, func(*http.Response) error { return nil })
		switch {
		case err == nil:
			report.Accepted++
		case errors.Is(err, ErrInvalid):
			report.Rejected = append(report.Rejected, Rejection{Index: b.indexes[i], Reason: err.Error()})
		default:
			return err
		}
	}
	return nil
}

// encodeReport writes what is only reported: text that is not valid UTF-8 is
// mended instead of refused.
func encodeReport(op string, item any) ([]byte, error) {
	body, err := strictjson.MarshalText(item)
	if err != nil {
		return nil, &Error{Op: op, Message: "the item cannot be written as JSON: " + err.Error(), Err: ErrInvalid}
	}
	return body, nil
}
