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

// session limits the exports of one exporter: each ends with its time limit or
// the caller's context, and all end with shutdown. It is safe for concurrent use.
type session struct {
	signal  string // spans or metrics, for errors
	timeout time.Duration
	errDown error // the error of exports after shutdown

	ended atomic.Bool
	// life is cancelled by shutdown, and so are the running exports. It is not the
	// context of a request.
	life context.Context //nolint:containedctx // it lives as long as the exporter
	end  context.CancelFunc
}

func newSession(signal string, timeout time.Duration, errDown error) *session {
	life, end := context.WithCancel(context.Background())
	return &session{signal: signal, timeout: timeout, errDown: errDown, life: life, end: end}
}

// shutdown makes later exports fail and cancels running ones. It returns true for
// the first call.
func (s *session) shutdown() (first bool) {
	first = s.ended.CompareAndSwap(false, true)
	s.end()
	return first
}

// run runs one export within its limits. If a limit ended it, the error matches
// the cause of that limit and contains the error of send.
func (s *session) run(ctx context.Context, send func(context.Context) error) error {
	if s.ended.Load() {
		return fmt.Errorf("aureus %s export: %w", s.signal, s.errDown)
	}
	limit := fmt.Errorf("not done within %v: %w", s.timeout, context.DeadlineExceeded)
	ctx, cancelTimeout := context.WithTimeoutCause(ctx, s.timeout, limit)
	defer cancelTimeout()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(s.life, func() { cancel(s.errDown) })
	defer stop()

	err := send(trace.ContextWithSpanContext(ctx, exporterSpanContext))
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		err = fmt.Errorf("%w: %w", cause, err)
	}
	return fmt.Errorf("aureus %s export: %w", s.signal, err)
}

// exporterSpanContext is the span context of the exporters' own requests. It is
// not sampled and has its own trace id. If the client's transport is instrumented,
// a parent-based sampler does not record these requests, and ExportSpans omits the
// spans that other samplers record. So an export never causes further exports.
var exporterSpanContext = trace.NewSpanContext(trace.SpanContextConfig{TraceID: randomTraceID(), SpanID: trace.SpanID{1}})

func randomTraceID() (id trace.TraceID) {
	_, _ = rand.Read(id[:]) // never fails
	id[0] |= 1              // all zeros would be invalid
	return id
}
