package governor

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// How slowly a body may arrive: the server waits for it at most Grace, plus one
// second for each MinRate bytes received, but at most MaxBodyTime in total. Time
// between two reads does not count.
const (
	Grace       = 10 * time.Second
	MinRate     = 16 << 10 // bytes a second
	MaxBodyTime = time.Minute
)

// ErrSlow means that a body arrived more slowly than the minimum rate.
var ErrSlow = fmt.Errorf("governor: the body arrived more slowly than %d KiB a second after the first %s", MinRate>>10, Grace)

// Deadlines sets the deadline of reads, as http.ResponseController does.
type Deadlines interface{ SetReadDeadline(time.Time) error }

// Body is a request's body that must arrive with a minimum rate. Like any body, it
// is read by one goroutine at a time.
type Body struct {
	body      io.ReadCloser
	deadlines Deadlines
	waited    time.Duration // in all reads together
	read      int64
	err       error // the error of the last read, returned by all later ones
}

// NewBody returns a body that must arrive with the minimum rate, from its first
// read on. If deadlines cannot be set, the rate is checked after each read only.
func NewBody(body io.ReadCloser, deadlines Deadlines) *Body {
	return &Body{body: body, deadlines: deadlines}
}

// Read implements [io.Reader]. It fails with ErrSlow if the body is too slow.
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
		if supported { // the connection's next read is not for this body
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

// The size of a buffer, in bytes.
const (
	firstStep = 4 << 10 // of a body of unknown length
	slack     = 512     // in addition to the declared length
)

// ReadAll reads r to its end, and charges the account for the buffer before the
// buffer grows. declared is the length that the request announced, or negative. r
// must end or fail after at most limit+1 bytes. The charge for the final buffer
// stays until the account is closed. If the account has no room, the error is a
// *RefusedError.
func ReadAll(r io.Reader, declared, limit int64, account *Account) ([]byte, error) {
	size := int64(firstStep)
	if declared >= 0 {
		size = min(declared, maxInitialBuffer) + slack // the slack lets the last read see the end of the body
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
			if err := account.Charge(next); err != nil { // both buffers exist while one is copied
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

// maxInitialBuffer is how much memory is allocated for a declared length before any
// of the body has arrived.
const maxInitialBuffer = 64 << 10
