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

// maxCommit bounds what goes into one transaction, in cost: a transaction holds
// it in the WAL, and its callers back.
const maxCommit = 16 << 20

// write is the writing goroutine: it commits what waits, as much at a time as
// has gathered, until the queue is closed and empty. Each minute it deletes
// what has become too old.
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

// commit stores the requests in one transaction and keeps the bounds.
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
	ctx := context.Background() // what was claimed is written, whoever still waits
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
	if changed { // a commit without anything in it would say nothing
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
		s.checkpointFailed.Add(1) // what was committed stands; the next commit tries again
	}
	s.publish()
	s.tellOfEvents(batch)
	return nil
}

// tellOfEvents tells of the tenants that have new events.
func (s *Store) tellOfEvents(batch []*request) {
	if s.options.OnEvents == nil {
		return
	}
	told := map[string]bool{}
	for _, r := range batch {
		if !told[r.tenant] && slices.ContainsFunc(r.items, func(i telemetry.Item) bool { return i.Kind() == telemetry.Events }) {
			told[r.tenant] = true
			s.options.OnEvents(r.tenant)
		}
	}
}
