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

// class sorts the calls by how long it makes sense to try them again. The
// classes are the fields of [RetryPolicies].
type class uint8

const (
	classDecisions class = iota
	classReads
	classChanges
	classReports
	numClasses = iota
)

// RetryPolicies has a [RetryPolicy] for each class of calls, for [WithRetry]. A
// policy that is its zero value stays as it is.
type RetryPolicies struct {
	// Decisions are EvaluatePolicy, Decide, CheckPermission and ValidateCommit:
	// a request waits for the response. The default is 3 attempts in 3 s.
	Decisions RetryPolicy

	// Reads change nothing. The default is 4 attempts in 1 min.
	Reads RetryPolicy

	// Changes are calls that change something. Every attempt carries the same
	// Idempotency-Key, so that the server changes it once. The default is 4
	// attempts in 1 min.
	Changes RetryPolicy

	// Reports send telemetry and records for the audit log, every attempt with the
	// same Idempotency-Key. The default is 10 attempts in 2 min.
	Reports RetryPolicy
}

// RetryPolicy says how a call is tried again: exponential backoff with full
// jitter, so that the wait before attempt n+1 is drawn evenly from 0 to the
// smaller of FirstDelay·2ⁿ⁻¹ and MaxDelay, and never shorter than the server's
// Retry-After. What is tried again is a call that got no answer (connection
// refused, reset, closed, or nothing within the client's timeout) and the
// answers 429, 502, 503 and 504. Where an earlier attempt is still under way on
// the server, the call waits it out, and that counts as no attempt. A wait that
// does not fit into the context's deadline or the budget is not begun: the call
// returns at once, with the last real error.
type RetryPolicy struct {
	MaxAttempts int           // including the first one; 1 means that nothing is tried again, and so does 0 beside a field that is set
	FirstDelay  time.Duration // the longest wait before the second attempt
	MaxDelay    time.Duration // the longest wait before any attempt, but for Retry-After
	Budget      time.Duration // for all attempts and waits together: none begins behind it; 0 leaves it to the context
}

// NoRetry is the policy of a single attempt.
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

// Attempt is one attempt of a call, as an observer sees it.
type Attempt struct {
	Op         string        // the client's method
	Number     int           // from 1
	StatusCode int           // of the answer, be it one that cannot be trusted; 0 where there was none
	Err        error         // nil for a success
	Duration   time.Duration // of this attempt
	Delay      time.Duration // the wait before the next attempt; 0 if there is none
}

// delay is the wait after the attempt, counted from 1.
func (p RetryPolicy) delay(attempt int, err error) time.Duration {
	limit := p.MaxDelay
	if shift := min(attempt-1, 62); p.FirstDelay <= limit>>shift {
		limit = p.FirstDelay << shift
	}
	wait := time.Duration(rand.Uint64N(uint64(limit) + 1)) //nolint:gosec // neither is negative: see valid
	if e, ok := errors.AsType[*Error](err); ok {
		wait = max(wait, e.RetryAfter)
	}
	return wait
}

// SafeToRetry reports whether the call that gave the error may be made again by
// the caller without doing anything twice and with some hope: it never reached
// the server, or the server said to come again. Calls that the client tries
// again by itself have been when the error is returned.
func SafeToRetry(err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.final || errors.Is(err, ErrClosed) {
		return false
	}
	return e.unsent || e.StatusCode == http.StatusTooManyRequests || e.StatusCode == http.StatusServiceUnavailable
}

// repeatable reports whether a call that is safe to make twice should be.
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

// inFlight reports that an earlier attempt is still under way on the server.
func inFlight(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.StatusCode == http.StatusConflict && e.Code == wire.CodeInFlight
}

// broken reports a connection that ended without an answer.
func broken(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNABORTED)
}

// neverSent reports whether the connection could not even be made, to the server
// or to the proxy before it.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// cutByHTTP2 reports what broken does, for HTTP/2: net/http keeps the types of
// these errors for itself.
func cutByHTTP2(err error) bool {
	_, reset := errors.AsType[streamError](err)
	return reset || strings.HasPrefix(err.Error(), "http2: ")
}

// streamError has the fields of golang.org/x/net/http2.StreamError, which is what
// the error in net/http asks of a type to show itself as.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (streamError) Error() string { return "the stream was reset" }

// wait sleeps for the delay, unless the context or the budget would end before:
// then the caller returns the last error at once instead of a deadline that
// hides it.
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

// tried is one way to make a call; run makes it until it succeeds or must not
// be made again. It is an interface, so that nothing escapes per call.
type tried interface {
	try(ctx context.Context, attempt int) error
	opName() string
	answered() int // the status of the latest attempt's answer; 0: none
}

// run makes the call by the policy. On the success path it costs a look at the
// breaker and two calls through the interface, and allocates nothing.
func (s *settings) run(ctx context.Context, class class, conn *connection, t tried) error {
	b := conn.breaker
	guarded := b != nil && (class != classDecisions || s.breakAll)
	policy := &s.retry[class]
	var budgetEnd time.Time
	if policy.Budget > 0 {
		budgetEnd = time.Now().Add(policy.Budget)
	}
	waited := 0    // attempts that found an earlier one still under way
	heard := false // the server may have done what an earlier attempt asked for
	for attempt := 1; ; attempt++ {
		var err error
		var began time.Time
		if s.observe != nil {
			began = time.Now()
		}
		var admitted ticket
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
		if inFlight(err) { // is waited out: it counts as no attempt
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
			return last(err, heard)
		}
		if !wait(ctx, conn.closed.Done(), delay, budgetEnd) {
			return last(conn.gaveUp(ctx, t.opName(), err), heard)
		}
		heard = heard || (class != classReads && !SafeToRetry(err))
	}
}

// last is the error of the last attempt. It is not SafeToRetry where one before
// it may have been heard.
func last(err error, heard bool) error {
	if heard && SafeToRetry(err) {
		return unrepeatable(err)
	}
	return err
}

// unrepeatable is the error, but not SafeToRetry.
func unrepeatable(err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	changed := *e
	changed.final = true
	return &changed
}

// gaveUp is the last real error together with what ended the wait for another
// attempt: the caller, or the end of the client. Where the wait was not begun it
// is the last real error alone.
func (c *connection) gaveUp(ctx context.Context, op string, err error) error {
	var why error
	var text string
	switch {
	case c.closed.Err() != nil:
		why, text = ErrClosed, "the client was closed"
	case ctx.Err() != nil:
		why, text = errors.Join(context.Cause(ctx), ctx.Err()), "gave up: "+clip(context.Cause(ctx).Error(), maxMessage)
	}
	if why == nil || errors.Is(err, ErrClosed) || (ctx.Err() != nil && errors.Is(err, ctx.Err())) {
		return err
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &Error{Op: op, Message: text, Err: errors.Join(ErrUnavailable, why, err)}
	}
	changed := *e
	changed.Message = strings.TrimPrefix(e.Message+"; "+text, "; ")
	changed.Err = errors.Join(e.Err, why)
	return &changed
}

func (s *settings) observed(ctx context.Context, t tried, attempt int, began time.Time, err error, delay time.Duration) {
	a := Attempt{Op: t.opName(), Number: attempt, StatusCode: t.answered(), Err: err, Duration: time.Since(began), Delay: delay}
	if errors.Is(err, ErrCircuitOpen) {
		a.StatusCode = 0
	}
	s.observe(ctx, a)
}
