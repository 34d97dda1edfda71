package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// maxCommit limits the cost of the items in one transaction, because a large one makes
// the write-ahead log long and its callers wait.
const maxCommit = 16 << 20

// write is the writing goroutine. It commits the waiting requests in batches, until
// the queue is closed and empty. Once a minute it also deletes rows that are too old.
func (s *Store) write() {
	defer close(s.done)
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-s.queue.wake:
		case <-ticker.C:
		}
		batch, ended := s.queue.take(maxCommit)
		err := s.commit(batch)
		for _, r := range batch {
			r.done <- err
		}
		if ended {
			return
		}
	}
}

// commit stores the requests and applies the limits in one transaction.
func (s *Store) commit(batch []*request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: the writer panicked: %v", telemetry.ErrUnavailable, p)
		}
		if err != nil {
			s.stale = true
			s.condition.Note(err)
		}
	}()
	ctx := context.Background() // claimed requests are written even if their callers no longer wait
	if s.stale {
		if err := s.loadUsage(ctx); err != nil {
			return storeError("read", err)
		}
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return storeError("begin", err)
	}
	defer tx.Rollback() //nolint:errcheck // after a commit it does nothing
	if err := s.file.Files.Check(); err != nil {
		return storeError("write", err)
	}
	now := s.options.Clock()
	changed := s.condition.Failed() != nil
	if changed { // an empty commit would not show that the file can be written
		if _, err := tx.ExecContext(ctx, dbfile.Probe); err != nil {
			return storeError("write", err)
		}
	}
	for _, kind := range telemetry.Kinds {
		inserted, err := s.insert(ctx, tx, kind, batch, now)
		if err != nil {
			return storeError("insert", err)
		}
		trimmed, err := s.trim(ctx, tx, kind, boundsOf(s.options), now)
		if err != nil {
			return storeError("trim", err)
		}
		if inserted || trimmed {
			changed = true
			if err := errors.Join(saveUsage(ctx, tx, kind.String(), s.usage[kind]), s.saveShares(ctx, tx, kind)); err != nil {
				return storeError("write", err)
			}
		}
	}
	if !changed {
		return nil
	}
	if err := tx.Commit(); err != nil {
		return storeError("commit", err)
	}
	s.condition.Note(nil)
	if err := s.checkpoint.After(ctx, s.file.Path, s.writer, busyTimeout); err != nil {
		s.checkpointFailed.Add(1) // the commit is still valid; the next one tries again
	}
	s.publish()
	s.notifyEvents(batch)
	return nil
}

// notifyEvents calls OnEvents for the tenants that have new events.
func (s *Store) notifyEvents(batch []*request) {
	if s.options.OnEvents == nil {
		return
	}
	notified := map[string]bool{}
	for _, r := range batch {
		if !notified[r.tenant] && slices.ContainsFunc(r.items, func(i telemetry.Item) bool { return i.Kind() == telemetry.Events }) {
			notified[r.tenant] = true
			s.options.OnEvents(r.tenant)
		}
	}
}
