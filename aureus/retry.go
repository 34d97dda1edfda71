package aureus

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"syscall"
	"time"
)

// retryMode says when a call may be made again.
type retryMode int

const (
	// retryUnsent repeats only what never reached the server, and briefly: the
	// call is waited for, or doing it twice would matter.
	retryUnsent retryMode = iota
	// retryRead repeats a question, which is the same every time.
	retryRead
	// retryReport repeats telemetry, patiently, under one idempotency key.
	retryReport
)

// retryPolicy is exponential backoff with full jitter.
type retryPolicy struct {
	attempts [3]int           // by mode
	first    [3]time.Duration // the longest first delay, by mode; doubles with each attempt
	longest  time.Duration
}

var defaultRetry = retryPolicy{
	attempts: [3]int{retryUnsent: 2, retryRead: 3, retryReport: 8},
	first:    [3]time.Duration{retryUnsent: 50 * time.Millisecond, retryRead: 100 * time.Millisecond, retryReport: 500 * time.Millisecond},
	longest:  10 * time.Second,
}

// next says whether to try again after the attempt, counted from 1, and how
// long to wait before: at least what the server asked for.
func (p retryPolicy) next(mode retryMode, attempt int, sent bool, err error) (time.Duration, bool) {
	if attempt >= p.attempts[mode] || !mayRepeat(mode, sent, err) {
		return 0, false
	}
	limit := min(p.longest, p.first[mode]<<(attempt-1))
	delay := time.Duration(rand.Int64N(int64(limit) + 1))
	if e, ok := errors.AsType[*Error](err); ok {
		delay = max(delay, e.RetryAfter)
	}
	return delay, true
}

func mayRepeat(mode retryMode, sent bool, err error) bool {
	if !sent {
		return errors.Is(err, ErrUnavailable) && !errors.Is(err, context.Canceled)
	}
	if mode == retryUnsent {
		return false
	}
	e, ok := errors.AsType[*Error](err)
	if !ok || e.final {
		return false
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case 0: // disconnected without an answer
		return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
			errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	}
	return false
}

// wait sleeps, unless the context would end first: then the caller returns the
// last error at once instead of a deadline that hides it.
func (p retryPolicy) wait(ctx context.Context, delay time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= delay {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// neverSent reports whether the connection could not even be made.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
