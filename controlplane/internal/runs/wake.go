package runs

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
)

const (
	// wakeInterval is how often the waker checks whether an approval has expired, and
	// whether another process has revoked a key in the same file.
	wakeInterval = time.Second

	intervalsUntilScan = 10  // after so many intervals the waker scans all waiting runs, even if no change is known
	maxWoken           = 100 // runs that are continued in one pass at most
)

// waker continues waiting runs whose approval has been decided or has expired, and
// stops runs under way whose key has been revoked. Only one goroutine uses it.
type waker struct {
	service *Service

	revoked    int64     // how many keys had been revoked at the last scan
	nextExpiry time.Time // when the first of the approvals that runs wait for expires; zero if there is none
	intervals  int       // since the last scan
}

// Wake makes the waker scan all waiting runs now. It returns at once.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default: // a signal is already waiting
	}
}

// keepWaking runs the waker until the server's life ends.
func (s *Service) keepWaking() {
	w, life := waker{service: s}, s.config.Life
	ticker := time.NewTicker(wakeInterval)
	defer ticker.Stop()
	for scan := true; ; {
		if err := w.pass(life, scan); err != nil && life.Err() == nil {
			s.config.Log.WarnContext(life, "the waiting workflows cannot be read now", errorAttr(err))
		}
		select {
		case <-ticker.C:
			scan = false
		case <-s.wake:
			scan = true
		case <-life.Done():
			return
		}
	}
}

// pass examines the runs once. Without scan it does so only if something may have
// changed.
func (w *waker) pass(ctx context.Context, scan bool) error {
	w.intervals++
	found, err := w.look(ctx, scan)
	if err != nil {
		return err
	}
	for _, live := range found.revoked {
		live.halt(errKeyRevoked)
	}
	left := false // whether a run could not be continued because no slot was free
	for _, ref := range found.ready {
		if w.service.checkRoom(governor.Owner{Tenant: ref.Tenant, Key: ref.KeyID}) != nil {
			left = true
			continue
		}
		done, err := w.service.continueWaiting(ctx, ref)
		if err != nil {
			return err
		}
		left = left || !done
	}
	switch {
	case left:
		w.intervals = intervalsUntilScan // scan again at the next interval
	case len(found.ready) == maxWoken:
		w.service.Wake()
	}
	return nil
}

// found is the result of one scan.
type found struct {
	revoked []*liveRun       // runs under way whose key has been revoked
	ready   []storage.RunRef // runs that no longer wait for an approval
}

func (w *waker) look(ctx context.Context, scan bool) (found, error) {
	now, live := w.service.config.Now(), w.service.live.snapshot()
	var result found
	var next waker
	err := w.service.config.Store.View(ctx, func(t storage.Tx) error {
		result, next = found{}, *w
		revoked, err := t.Keys().Revoked()
		if err != nil {
			return err
		}
		due := !w.nextExpiry.IsZero() && now.After(w.nextExpiry)
		if !scan && !due && revoked == w.revoked && w.intervals < intervalsUntilScan {
			return nil
		}
		var f found
		for _, one := range live {
			ok, err := t.Keys().Live(one.run.caller.Tenant, one.run.caller.KeyID)
			if err != nil {
				return err
			}
			if !ok {
				f.revoked = append(f.revoked, one)
			}
		}
		ready, nextExpiry, err := t.Runs().ToWake(now, maxWoken)
		if err != nil {
			return err
		}
		f.ready = ready
		result, next.revoked, next.nextExpiry, next.intervals = f, revoked, nextExpiry, 0
		return nil
	})
	if err == nil {
		*w = next
	}
	return result, err
}

// continueWaiting continues a run that waited for an approval, and reports whether
// nothing is left to do for it. done is false if the run could not be started, so
// that it must be tried again. A run whose key has been revoked is continued too:
// it parks itself.
func (s *Service) continueWaiting(ctx context.Context, ref storage.RunRef) (done bool, err error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	var stored storage.Run
	err = s.config.Store.View(ctx, func(t storage.Tx) (err error) {
		stored, err = t.Runs().Get(ref.Tenant, ref.ID)
		return err
	})
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return true, nil
	case err != nil:
		return false, err
	case stored.Ended, s.live.find(runKey{stored.Tenant, stored.Subject, stored.WorkflowID}) != nil:
		return true, nil // a run that is under way is examined again when it waits
	}
	r, err := loadRun(stored)
	if err != nil {
		s.config.Log.ErrorContext(ctx, "a workflow cannot continue", runID(ref.ID), errorAttr(err))
		return true, nil
	}
	if r.state.Status != workflow.AwaitingApproval {
		return true, nil
	}
	r.state.Resume()
	r.state.ByItself = true
	if _, err := s.launch(r); err != nil {
		s.config.Log.InfoContext(ctx, "a workflow cannot continue yet", runID(ref.ID), errorAttr(err))
		return false, nil
	}
	return true, nil
}
