package controlplane

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

const (
	// tendInterval is how often it is looked whether an approval has expired, and
	// whether another process has revoked a key in the file.
	tendInterval = time.Second

	tendsUntilScan = 10  // after so many intervals every run that waits is looked at, whatever is known to have changed
	maxWakes       = 100 // runs that are woken at once; the others are next
)

// tending looks after the runs: it stops those whose key has been revoked, and
// goes on with waiting ones whose approval has been decided or has ended. It
// belongs to one goroutine.
type tending struct {
	server *Server

	revoked int64     // keys that had been revoked at the last scan
	next    time.Time // when the first of the approvals that are waited for expires
	since   int       // intervals since the last scan
}

// keepTending looks after the runs until the server's life ends.
func (s *Server) keepTending() {
	s.runs.tend.Go(func() {
		t := tending{server: s}
		ticker := time.NewTicker(tendInterval)
		defer ticker.Stop()
		for scan := true; ; {
			if err := t.tend(s.web.Life(), scan); err != nil && s.web.Life().Err() == nil {
				s.log.WarnContext(s.web.Life(), "the workflows that wait cannot be looked after now", slog.Any("error", err))
			}
			select {
			case <-ticker.C:
				scan = false
			case <-s.runs.wake:
				scan = true
			case <-s.web.Life().Done():
				return
			}
		}
	})
}

// wakeRuns has the runs looked after at once.
func (s *Server) wakeRuns() {
	select {
	case s.runs.wake <- struct{}{}:
	default: // it is about to
	}
}

func (t *tending) tend(ctx context.Context, scan bool) error {
	s, now := t.server, t.server.config.Now()
	live := s.liveRuns()
	t.since++
	var stop []*liveRun
	var wake []storage.RunRef
	found := *t
	err := s.db.View(ctx, func(tx storage.Tx) error {
		stop, wake, found = nil, nil, *t
		revoked, err := tx.Keys().Revoked()
		if err != nil {
			return err
		}
		if !scan && revoked == t.revoked && t.since < tendsUntilScan && (t.next.IsZero() || !now.After(t.next)) {
			return nil
		}
		for _, run := range live {
			ok, err := tx.Keys().Live(run.tenant, run.keyID)
			if err != nil {
				return err
			}
			if !ok {
				stop = append(stop, run)
			}
		}
		var next time.Time
		if wake, next, err = tx.Runs().ToWake(now, maxWakes); err != nil {
			return err
		}
		found.revoked, found.next, found.since = revoked, next, 0
		return nil
	})
	if err != nil {
		return err
	}
	*t = found
	for _, run := range stop {
		run.halt(errKeyRevoked)
	}
	launched := 0
	for _, run := range wake {
		ok, err := s.goOn(ctx, run)
		if err != nil {
			return err
		}
		if ok {
			launched++
		}
	}
	switch {
	case launched < len(wake):
		t.since = tendsUntilScan // there was no room: look again at the next interval
	case len(wake) == maxWakes:
		s.wakeRuns()
	}
	return nil
}

func (s *Server) liveRuns() (list []*liveRun) {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	for _, live := range s.runs.open {
		list = append(list, live)
	}
	return list
}

// goOn goes on with a run that waited, and reports whether nothing is left to do
// for it. One whose key has been revoked parks itself.
func (s *Server) goOn(ctx context.Context, ref storage.RunRef) (done bool, err error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	stored, err := s.run(ctx, ref.Tenant, ref.ID)
	if errors.Is(err, storage.ErrNotFound) {
		return true, nil
	}
	if err != nil || stored.Ended {
		return err == nil, err
	}
	if s.liveRun(stored.Tenant, stored.Subject, stored.WorkflowID) != nil {
		return true, nil // it is looked at again when it waits
	}
	host, state, err := s.hostOf(stored)
	if err != nil {
		s.log.ErrorContext(ctx, "a workflow cannot go on", slog.String("run_id", ref.ID), slog.Any("error", err))
		return true, nil
	}
	if state.Status != workflow.AwaitingApproval {
		return true, nil
	}
	state.Resume()
	state.ByItself = true
	if _, err := s.launch(host, state); err != nil {
		s.log.InfoContext(ctx, "a workflow does not go on yet", slog.String("run_id", ref.ID), slog.Any("error", err))
		return false, nil
	}
	return true, nil
}
