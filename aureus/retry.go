package aureus

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/farmountain/aureus-go/internal/wire"
)

// class says which retry policy a call has: one of the fields of [RetryPolicies].
type class uint8

const (
	classDecisions class = iota
	classReads
	classChanges
	classReports
	numClasses = iota
)

// RetryPolicies has a [RetryPolicy] for each class of calls, for [WithRetry]. A zero
// RetryPolicy leaves the policy of its class unchanged.
type RetryPolicies struct {
	// Decisions are EvaluatePolicy, Decide, CheckPermission and ValidateCommit:
	// a request waits for the response. The default is 3 attempts in 3 s.
	Decisions RetryPolicy

	// Reads change nothing. The default is 4 attempts in 1 min.
	Reads RetryPolicy

	// Changes are calls that change something on the server. All attempts of a call have
	// the same Idempotency-Key, so that the server makes the change once. The default is
	// 4 attempts in 1 min.
	Changes RetryPolicy

	// Reports send telemetry, and records for the audit log, with an Idempotency-Key as
	// Changes do. The default is 10 attempts in 2 min.
	Reports RetryPolicy
}

// RetryPolicy says how a call is retried: with exponential backoff and full jitter.
// The delay before attempt n+1 is random between 0 and the smaller of
// FirstDelay·2ⁿ⁻¹ and MaxDelay, and at least the Retry-After of the response.
//
// A call is retried if it got no response (the connection was refused, reset or
// closed, or the client's timeout passed), or one with the status 429, 502, 503 or
// 504. If the server still works on an earlier attempt, the call waits for that,
// and the attempt does not count. If a delay would end after the context's deadline
// or the budget, the call does not wait: it returns the last error at once.
type RetryPolicy struct {
	MaxAttempts int           // including the first one; 1 means no retry, and so does 0 if another field is set
	FirstDelay  time.Duration // the longest delay before the second attempt
	MaxDelay    time.Duration // the longest delay before any attempt; a Retry-After may be longer
	Budget      time.Duration // no attempt begins later than this after the start of the call; 0 is no limit
}

// NoRetry is the policy of one attempt without a retry.
var NoRetry = RetryPolicy{MaxAttempts: 1}

var defaultRetries = [numClasses]RetryPolicy{
	classDecisions: {MaxAttempts: 3, FirstDelay: 50 * time.Millisecond, MaxDelay: 500 * time.Millisecond, Budget: 3 * time.Second},
	classReads:     {MaxAttempts: 4, FirstDelay: 100 * time.Millisecond, MaxDelay: 5 * time.Second, Budget: time.Minute},
	classChanges:   {MaxAttempts: 4, FirstDelay: 100 * time.Millisecond, MaxDelay: 5 * time.Second, Budget: time.Minute},
	classReports:   {MaxAttempts: 10, FirstDelay: 500 * time.Millisecond, MaxDelay: 10 * time.Second, Budget: 2 * time.Minute},
}

func (p RetryPolicy) valid() error {
	switch {
	case p.MaxAttempts < 0 || p.FirstDelay < 0 || p.MaxDelay < 0 || p.Budget < 0:
		return errors.New("its numbers must not be negative")
	case p.MaxAttempts > 1 && p.MaxDelay < p.FirstDelay:
		return errors.New("MaxDelay must not be below FirstDelay")
	}
	return nil
}

// Attempt describes one attempt of a call to the function of [WithAttemptObserver].
type Attempt struct {
	Op         string        // the client's method, such as EvaluatePolicy
	Number     int           // from 1
	StatusCode int           // of the response, also of a malformed one; 0 without a response
	Err        error         // nil after a success
	Duration   time.Duration // of this attempt
	Delay      time.Duration // before the next attempt; 0 if there is none
}

// delay is the wait after the given attempt; the first one is 1.
func (p RetryPolicy) delay(attempt int, err error) time.Duration {
	limit := p.MaxDelay
	if shift := min(attempt-1, 62); p.FirstDelay <= limit>>shift {
		limit = p.FirstDelay << shift
	}
	delay := time.Duration(rand.Uint64N(uint64(limit) + 1)) //nolint:gosec // neither is negative: see valid
	if e, ok := errors.AsType[*Error](err); ok {
		delay = max(delay, e.RetryAfter)
	}
	return delay
}

// SafeToRetry reports whether the caller may repeat the call that returned the error
// without the risk of doing something twice, and with a chance of success: the call
// never reached the server, or the server answered 429 or 503. The error comes after
// the client's own retries.
func SafeToRetry(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.final || errors.Is(err, ErrClosed) {
		return false
	}
	return e.unsent || e.StatusCode == http.StatusTooManyRequests || e.StatusCode == http.StatusServiceUnavailable
}

// repeatable reports whether the client should retry a call after this error.
func repeatable(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.final {
		return false
	}
	switch e.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	case http.StatusConflict:
		return inFlight(err)
	case 0:
		return e.unsent || e.timedOut || e.cut || (broken(err) && !errors.Is(err, ErrMalformed))
	}
	return false
}

// inFlight reports whether the server still works on an earlier attempt.
func inFlight(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.StatusCode == http.StatusConflict && e.Code == wire.CodeInFlight
}

// broken reports whether the connection ended without a response.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// neverSent reports whether no connection was made, neither to the server nor to its
// proxy.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// cutByHTTP2 is broken for HTTP/2, whose error types net/http does not export.
func cutByHTTP2(err error) bool {
	_, reset := errors.AsType[streamError](err)
	return reset || strings.HasPrefix(err.Error(), "http2: ")
}

// streamError has the fields of golang.org/x/net/http2.StreamError. The error of
// net/http converts itself to any type with these fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "the stream was reset" }

// wait sleeps for the delay and reports whether it did. It does not begin to sleep
// if the context or the budget would end first, so that the caller can return the
// last error of the server instead of an expired deadline.
func wait(ctx context.Context, closed <-chan struct{}, delay time.Duration, budgetEnd time.Time) bool {
	end := time.Now().Add(delay)
	if deadline, ok := ctx.Deadline(); ok && !end.Before(deadline) {
		return false
	}
	if !budgetEnd.IsZero() && !end.Before(budgetEnd) {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-closed:
		return false
	case <-timer.C:
		return true
	}
}

// attempter makes attempts of one call for run. An interface instead of a function
// saves an allocation for each call.
type attempter interface {
	try(ctx context.Context, attempt int) error
	opName() string
	statusCode() int // of the latest attempt; 0 without a response
}

// run makes attempts of the call until one succeeds or the retry policy of the class
// ends. If the first attempt succeeds, run allocates nothing.
func (s *settings) run(ctx context.Context, class class, conn *connection, t attempter) error {
	b := conn.breaker
	guarded := b != nil && (class != classDecisions || s.breakAll)
	policy := &s.retry[class]
	var budgetEnd time.Time
	if policy.Budget > 0 {
		budgetEnd = time.Now().Add(policy.Budget)
	}
	waited := 0       // attempts that found an earlier one still under way
	received := false // an earlier attempt may have changed something on the server
	for attempt := 1; ; attempt++ {
		var err error
		var began time.Time
		if s.observe != nil {
			began = time.Now()
		}
		var admitted probeID
		if guarded {
			admitted, err = b.admit(t.opName())
		}
		if err == nil {
			err = t.try(ctx, attempt)
			if guarded {
				b.note(admitted, err)
			}
		}
		if err == nil {
			if s.observe != nil {
				s.observed(ctx, t, attempt, began, nil, 0)
			}
			return nil
		}
		if inFlight(err) { // does not count as an attempt
			waited++
		}
		again := policy.MaxAttempts > 1 && attempt-waited < policy.MaxAttempts && repeatable(err)
		var delay time.Duration
		if again {
			delay = policy.delay(attempt, err)
		}
		if s.observe != nil {
			s.observed(ctx, t, attempt, began, err, delay)
		}
		if !again {
			return last(err, received)
		}
		if !wait(ctx, conn.closed.Done(), delay, budgetEnd) {
			return last(conn.gaveUp(ctx, t.opName(), err), received)
		}
		received = received || (class != classReads && !SafeToRetry(err))
	}
}

// last is the error of the last attempt, and not SafeToRetry if an earlier attempt may
// have changed something on the server.
func last(err error, received bool) error {
	if received && SafeToRetry(err) {
		return unrepeatable(err)
	}
	return err
}

// unrepeatable returns a copy of the error that is not SafeToRetry.
func unrepeatable(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	changed := *e
	changed.final = true
	return &changed
}

// gaveUp adds to the last error what ended the wait for the next attempt: the
// caller's context, or Close of the client. If the wait was not begun, it returns the
// last error unchanged.
func (c *connection) gaveUp(ctx context.Context, op string, err error) error {
	var cause error
	var text string
	switch {
	case c.closed.Err() != nil:
		cause, text = ErrClosed, "the client was closed"
	case ctx.Err() != nil:
		cause, text = errors.Join(context.Cause(ctx), ctx.Err()), "gave up: "+clip(context.Cause(ctx).Error(), maxMessage)
	}
	if cause == nil || errors.Is(err, ErrClosed) || (ctx.Err() != nil && errors.Is(err, ctx.Err())) {
		return err
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &Error{Op: op, Message: text, Err: errors.Join(ErrUnavailable, cause, err)}
	}
	changed := *e
	changed.Message = strings.TrimPrefix(e.Message+"; "+text, "; ")
	changed.Err = errors.Join(e.Err, cause)
	return &changed
}

func (s *settings) observed(ctx context.Context, t attempter, attempt int, began time.Time, err error, delay time.Duration) {
	a := Attempt{Op: t.opName(), Number: attempt, StatusCode: t.statusCode(), Err: err, Duration: time.Since(began), Delay: delay}
	if errors.Is(err, ErrCircuitOpen) {
		a.StatusCode = 0
	}
	s.observe(ctx, a)
}
