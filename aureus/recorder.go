package aureus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// Recorder sends decision records, gate results and outcomes to the audit log in the
// background, so that requests do not wait for it. Its queue holds 4,096 records; if
// the control plane is unavailable for so long that the queue is full, further
// records are dropped, and [Recorder.Dropped] counts them. It is safe for concurrent
// use. Make one with [Client.NewRecorder], and close it before the client.
type Recorder struct {
	client  *Client
	queue   chan any // DecisionRecord, GateRecord or Outcome
	dropped atomic.Uint64

	stop   context.CancelFunc
	done   chan struct{}
	mu     sync.RWMutex // guards queue against closing while it is written
	closed bool
	err    error // the first failure to send; read after done
}

const (
	recorderQueue = 4096 // records that wait to be sent
	recorderBatch = 512  // records in one request
)

// NewRecorder starts a [Recorder] that sends with the client, whose
// [RetryPolicies.Reports] says for how long it retries.
func (c *Client) NewRecorder() *Recorder {
	ctx, stop := context.WithCancel(context.Background())
	r := &Recorder{client: c, queue: make(chan any, recorderQueue), stop: stop, done: make(chan struct{})}
	go r.run(ctx)
	return r
}

// RecordOutcome queues an outcome. It fits the field Outcomes of
// middleware.Options. An outcome without a DecisionID is ignored: the audit log has
// no decision for it.
func (r *Recorder) RecordOutcome(_ context.Context, outcome Outcome) {
	if !outcome.DecisionID.IsZero() {
		put(r, outcome)
	}
}

// RecordDecision queues the record of a decision of a local decider.
func (r *Recorder) RecordDecision(_ context.Context, decision Decision) { put(r, decision.Record()) }

// RecordGate queues the result of a gate of this process; see crvgate.Record. If the
// record has no DecisionID, it gets that of the decision in the context, if there is
// one: see [Decision.NewContext].
func (r *Recorder) RecordGate(ctx context.Context, record GateRecord) {
	if decision, ok := DecisionFromContext(ctx); ok && record.DecisionID.IsZero() {
		record.DecisionID = decision.ID
		if record.TraceID == "" {
			record.TraceID = decision.TraceID
		}
	}
	put(r, record)
}

// Dropped counts the records that were not stored: the queue was full, they could not
// be sent, or the server rejected them.
func (r *Recorder) Dropped() uint64 { return r.dropped.Load() }

// Close sends the queued records and stops the recorder; later records are dropped.
// If the context ends first, the rest of the queue is dropped too. Close returns the
// first error of any record that the recorder could not send, and the context's
// error.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	if !r.closed {
		r.closed = true
		close(r.queue)
	}
	r.mu.Unlock()
	stop := context.AfterFunc(ctx, r.stop)
	defer stop()
	<-r.done
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), r.err)
	}
	return r.err
}

// put queues a record. A record for which there is no room is not allocated.
func put[T any](r *Recorder, record T) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.closed && len(r.queue) < cap(r.queue) {
		select {
		case r.queue <- record:
			return
		default:
		}
	}
	r.dropped.Add(1)
}

func (r *Recorder) run(ctx context.Context) {
	defer close(r.done)
	defer r.stop()
	for record := range r.queue {
		var decisions []DecisionRecord
		var gates []GateRecord
		var outcomes []Outcome
		for n := 1; ; n++ {
			switch record := record.(type) {
			case DecisionRecord:
				decisions = append(decisions, record)
			case GateRecord:
				gates = append(gates, record)
			case Outcome:
				outcomes = append(outcomes, record)
			}
			if n == recorderBatch || len(r.queue) == 0 {
				break
			}
			record = <-r.queue
		}
		accepted, err := recordDecisions(ctx, r.client, decisions) // decisions first: their gates and outcomes refer to them
		r.note(len(decisions)-accepted, err)
		accepted, err = recordGates(ctx, r.client, gates)
		r.note(len(gates)-accepted, err)
		accepted, err = recordOutcomes(ctx, r.client, outcomes)
		r.note(len(outcomes)-accepted, err)
	}
}

func (r *Recorder) note(lost int, err error) {
	if err == nil {
		return
	}
	if r.err == nil {
		r.err = err
	}
	r.dropped.Add(uint64(lost)) //nolint:gosec // not negative: at most all are accepted
}
