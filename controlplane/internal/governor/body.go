package governor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// How slowly a body may come: the time that is spent waiting for it is at most
// Grace, and one second more for each MinRate bytes that have come, and at most
// MaxBodyTime. Time that the server needs between two reads does not count.
const (
	Grace       = 10 * time.Second
	MinRate     = 16 << 10 // bytes a second
	MaxBodyTime = time.Minute
)

// ErrSlow says that a body came more slowly than the minimum rate.
var ErrSlow = fmt.Errorf("governor: the body came more slowly than %d KiB a second after the first %s", MinRate>>10, Grace)

// Deadlines sets until when the next read may take: http.ResponseController
// does.
type Deadlines interface{ SetReadDeadline(time.Time) error }

// Body is a request's body that has to come with a minimum rate. It is read
// from one goroutine, as any body.
type Body struct {
	body      io.ReadCloser
	deadlines Deadlines
	waited    time.Duration // in all reads
	read      int64
	err       error // how it ended, if it has
}

// NewBody makes the body one that has to come with the minimum rate from its
// first read on. Where deadlines cannot be set, the rate is looked at after each
// read.
func NewBody(body io.ReadCloser, deadlines Deadlines) *Body {
	return &Body{body: body, deadlines: deadlines}
}

// Read implements [io.Reader]. Its error is ErrSlow where the body is too slow.
func (b *Body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	begun := time.Now()
	until := begun.Add(min(Grace+time.Duration(b.read)*time.Second/MinRate, MaxBodyTime) - b.waited)
	supported := b.deadlines.SetReadDeadline(until) == nil
	n, err := b.body.Read(p)
	b.read += int64(n)
	b.waited += time.Since(begun)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlow
	case err != nil:
		if supported { // what the connection reads next is not this body
			_ = b.deadlines.SetReadDeadline(time.Time{})
		}
	case time.Now().After(until):
		err = ErrSlow
	}
	b.err = err
	return n, err
}

// Close implements [io.Closer].
func (b *Body) Close() error { return b.body.Close() }

// The steps in which a buffer grows.
const (
	firstStep = 4 << 10
	slack     = 512
)

// ReadAll reads r to its end, and charges the account for the buffer before it
// grows. declared is the length that was announced, or negative; it is believed
// up to firstTrust. r ends or fails before limit bytes and one more. What was
// charged is charged until the account is closed. An error of the account is a
// *RefusedError.
func ReadAll(r io.Reader, declared, limit int64, account *Account) ([]byte, error) {
	size := int64(firstStep)
	if declared >= 0 {
		size = min(declared, firstTrust) + slack // room to see the end without growing
	}
	if err := account.Charge(size); err != nil {
		return nil, err
	}
	buffer := make([]byte, 0, size)
	for {
		if len(buffer) == cap(buffer) {
			next := min(2*int64(cap(buffer)), max(limit, int64(cap(buffer)))+slack)
			if declared > int64(len(buffer)) {
				next = min(next, declared+slack)
			}
			if err := account.Charge(next); err != nil { // both are there while one is copied
				return nil, err
			}
			grown := make([]byte, len(buffer), next)
			copy(grown, buffer)
			account.Refund(int64(cap(buffer)))
			buffer = grown
		}
		n, err := r.Read(buffer[len(buffer):cap(buffer)])
		buffer = buffer[:len(buffer)+n]
		if errors.Is(err, io.EOF) {
			return buffer, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// firstTrust bounds how much memory a declared length gets before any of the
// body has come.
const firstTrust = 64 << 10
