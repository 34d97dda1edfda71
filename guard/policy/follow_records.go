package policy

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy/internal/spool"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// records takes the records of decisions and outcomes, and sends them in the background.
type records interface {
	decision(aureus.Decision) error // an error means that the decision must not be returned
	outcome(aureus.Outcome) error
	state() (dropped uint64, bytes int64)
	close(context.Context) error
}

// keepRecords sets the field records of the follower.
func (f *Follower) keepRecords() error {
	if f.config.Spool == "" {
		f.records = &queued{follower: f, recorder: f.client.NewRecorder()}
		return nil
	}
	opened, err := spool.Open(f.config.Spool, f.config.SpoolLimit)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	s := &spooled{follower: f, spool: opened, done: make(chan struct{}), closing: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	f.records = s
	go s.run(ctx)
	return nil
}

// queued are records that wait in memory.
type queued struct {
	follower *Follower
	recorder *aureus.Recorder
	dropped  atomic.Uint64 // of the recorder, when it was last asked whether the key is accepted
	asked    atomic.Int64  // Unix nanoseconds of that
}

func (q *queued) decision(d aureus.Decision) error {
	q.recorder.RecordDecision(context.Background(), d)
	q.noteDrops()
	return nil
}

func (q *queued) outcome(o aureus.Outcome) error {
	q.recorder.RecordOutcome(context.Background(), o)
	q.noteDrops()
	return nil
}

// noteDrops is called after each record. If records have been dropped, it logs that, and
// makes the follower ask whether the control plane still accepts the key.
func (q *queued) noteDrops() {
	n := q.recorder.Dropped()
	if n == 0 {
		return
	}
	q.follower.logDrops(false)
	now, last := time.Now().UnixNano(), q.asked.Load()
	if n != q.dropped.Load() && now-last >= int64(firstRetry) && q.asked.CompareAndSwap(last, now) {
		q.dropped.Store(n)
		q.follower.kick()
	}
}

func (q *queued) state() (dropped uint64, bytes int64) { return q.recorder.Dropped(), 0 }

func (q *queued) close(ctx context.Context) error { return q.recorder.Close(ctx) }

// spooled are records that wait in files.
type spooled struct {
	follower *Follower
	spool    *spool.Spool
	stop     context.CancelFunc // ends a request under way
	done     chan struct{}

	once    sync.Once
	closing chan struct{}
	err     error // of the last attempt to send; read after done
}

// spoolLine is one line of a spool.
type spoolLine struct {
	Decision *aureus.DecisionRecord `json:"decision,omitzero"`
	Outcome  *aureus.Outcome        `json:"outcome,omitzero"`
}

func (s *spooled) decision(d aureus.Decision) error {
	record := d.Record()
	return s.append(spoolLine{Decision: &record}, s.follower.config.SpoolLimit/outcomesPart)
}

func (s *spooled) outcome(o aureus.Outcome) error { return s.append(spoolLine{Outcome: &o}, 0) }

// outcomesPart is the part of a spool that decisions leave free for outcomes, so that
// requests that are allowed when the spool is nearly full can still be closed.
const outcomesPart = 16

// append adds a line after which that number of bytes must be free.
func (s *spooled) append(line spoolLine, free int64) error {
	text, err := strictjson.Marshal(line)
	if err == nil {
		err = s.spool.Append(text, free)
	}
	if err != nil {
		return fmt.Errorf("policy: the record cannot be kept: %w", err)
	}
	return nil
}

func (s *spooled) state() (dropped uint64, bytes int64) { return 0, s.spool.Size() }

// gather is how long records wait for others, so that few requests are made.
const gather = 50 * time.Millisecond

// run sends the records until the spool is empty after close, or sending fails then.
func (s *spooled) run(ctx context.Context) {
	defer close(s.done)
	defer s.stop()
	for failures := 0; ; {
		more, err := s.send(ctx)
		s.note(err)
		pause := time.Duration(0)
		switch {
		case err != nil:
			pause = min(firstRetry<<min(failures, 6), maxRetry)
			failures++
		case more:
			failures = 0
			continue
		}
		if pause == 0 {
			select {
			case <-s.spool.Added():
				pause = gather
			case <-s.closing:
			}
		}
		select {
		case <-time.After(pause):
		case <-s.closing:
			s.drain(ctx)
			return
		}
	}
}

// drain sends what is left, until that fails.
func (s *spooled) drain(ctx context.Context) {
	for {
		more, err := s.send(ctx)
		s.note(err)
		if err != nil || !more {
			return
		}
	}
}

// note keeps the result of an attempt, and logs an error once until it changes.
func (s *spooled) note(err error) {
	s.follower.suspect(err)
	s.follower.logDrops(false)
	if err != nil && (s.err == nil || s.err.Error() != err.Error()) {
		s.follower.config.Logger.Error("records of decisions could not be sent; they stay in the spool", "folder", s.follower.config.Spool, "error", err.Error())
	}
	s.err = err
}

// send sends the oldest records. It reports whether there were any.
func (s *spooled) send(ctx context.Context) (more bool, err error) {
	segment, found, err := s.spool.Oldest()
	if err != nil || !found {
		return false, err
	}
	var decisions []aureus.DecisionRecord
	var outcomes []aureus.Outcome
	lost := 0
	if segment.Torn { // the process ended before it had returned this decision
		s.follower.config.Logger.Warn("the spool ends with a part of a record, which is ignored", "folder", s.follower.config.Spool)
	}
	for _, text := range segment.Records {
		var line spoolLine
		switch err := strictjson.Unmarshal(text, &line); {
		case err == nil && line.Decision != nil:
			decisions = append(decisions, *line.Decision)
		case err == nil && line.Outcome != nil:
			outcomes = append(outcomes, *line.Outcome)
		default:
			lost++
		}
	}
	rejected, err := undelivered(s.follower.client.RecordDecisions(ctx, decisions)) // first: outcomes refer to them
	if err != nil {
		return false, err
	}
	rejectedOutcomes, err := undelivered(s.follower.client.RecordOutcomes(ctx, outcomes))
	if err != nil {
		return false, err
	}
	if err := s.spool.Remove(segment); err != nil {
		return false, err
	}
	for _, r := range []*aureus.PartialError{rejected, rejectedOutcomes} {
		if r != nil {
			lost += len(r.Rejected)
			s.follower.config.Logger.Error("the control plane rejected records of decisions; they are lost", "error", r.Error())
		}
	}
	s.follower.counters.dropped.Add(uint64(lost))
	return true, nil
}

// undelivered splits the error of a report: records that the control plane will never
// accept, and the reason why others have not been delivered.
func undelivered(err error) (*aureus.PartialError, error) {
	if partial, ok := errors.AsType[*aureus.PartialError](err); ok && partial.Err == nil {
		return partial, nil
	}
	return nil, err
}

func (s *spooled) close(ctx context.Context) error {
	s.once.Do(func() { close(s.closing) })
	stop := context.AfterFunc(ctx, s.stop)
	defer stop()
	<-s.done
	err := s.spool.Close()
	if left := s.spool.Size(); left > 0 {
		err = errors.Join(err, fmt.Errorf("policy: %d bytes of records stay in the spool %s for the next follower", left, s.follower.config.Spool), s.err)
	}
	return err
}
