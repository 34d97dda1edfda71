package otelbridge

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// session bounds the exports of one exporter: each by its own time limit and
// the caller's context, all of them by Shutdown. It is safe for concurrent use.
type session struct {
	signal  string // spans or metrics, for errors
	timeout time.Duration
	down    error // what an export ends with after shutdown

	ended atomic.Bool
	// life ends with shutdown. It is no request's context: exports only watch it.
	life context.Context //nolint:containedctx // it lives as long as the exporter
	end  context.CancelFunc
}

func newSession(signal string, timeout time.Duration, down error) *session {
	life, end := context.WithCancel(context.Background())
	return &session{signal: signal, timeout: timeout, down: down, life: life, end: end}
}

// shutdown refuses later exports and interrupts those under way, even if ctx
// has ended: the batch processor may come with a dead one. It reports whether
// it was the first to do so.
func (s *session) shutdown() (first bool) {
	first = s.ended.CompareAndSwap(false, true)
	s.end()
	return first
}

// run makes one export within its bounds and explains its failure: the context
// that ended is the cause, and what was being tried stands behind it.
func (s *session) run(ctx context.Context, send func(context.Context) error) error {
	if s.ended.Load() {
		return fmt.Errorf("aureus %s export: %w", s.signal, s.down)
	}
	limit := fmt.Errorf("not done within %v: %w", s.timeout, context.DeadlineExceeded)
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, s.timeout, limit)
	defer cancelTimeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(s.down) })
	defer stop()

	err := send(trace.ContextWithSpanContext(ctx, quiet))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("aureus %s export: %w", s.signal, err)
}

// quiet is the span context under which exports are sent: not sampled, and of a
// trace of its own. If the client's transport is instrumented in spite of all
// advice, samplers that respect the parent record nothing, and what the others
// record is recognised by its trace and not exported. So an exporter cannot feed
// on its own requests.
var quiet = trace.NewSpanContext(trace.SpanContextConfig{TraceID: randomTraceID(), SpanID: trace.SpanID{1}})

func randomTraceID() (id trace.TraceID) {
	_, _ = rand.Read(id[:]) // never fails
	id[0] |= 1              // never the invalid id of zeros
	return id
}
