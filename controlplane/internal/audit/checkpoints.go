package audit

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	checkpointEvery   = time.Second
	checkpointEntries = 1000 // new entries after which a checkpoint does not wait for the second to end
	lastCheckpoints   = 10 * time.Second
	behindPage        = 100 // tenants
)

// Checkpoint adds the tenant's entries since its last checkpoint to its Merkle tree and
// returns the checkpoint that covers them all, or storage.ErrNotFound if the log is
// empty. It takes several transactions if there are many entries, each of limited size.
// The checkpoint is on the disk when Checkpoint returns.
func Checkpoint(ctx context.Context, db storage.Store, tenant string, now func() time.Time) (c storage.Checkpoint, err error) {
	for more := true; more; {
		var next storage.Checkpoint
		err := db.Update(ctx, func(t storage.Tx) (err error) {
			next, more, err = storage.ExtendTree(t, db.SigningKey(), tenant, now())
			return err
		})
		if err != nil {
			return c, err
		}
		c = next
	}
	return c, nil
}

// Checkpoints makes the checkpoints of all tenants: each second in which a log has new
// entries, or as soon as it has 1,000 of them. Store, Now and Log must be set before the
// first call; then it is safe for concurrent use.
type Checkpoints struct {
	Store storage.Store
	Now   func() time.Time
	Log   *slog.Logger

	// Made, if not nil, is called for each checkpoint after it is on the disk, from one
	// goroutine at a time. It may be called again with an equal checkpoint, and, after the
	// process was killed, not at all.
	Made func(ctx context.Context, c storage.Checkpoint)

	mu      sync.Mutex
	pending map[string]int // new entries, by tenant
	wake    chan struct{}
}

// Notify counts new entries of a tenant. It does not block.
func (s *Checkpoints) Notify(tenant string, entries int) {
	s.mu.Lock()
	if s.pending == nil {
		s.pending = map[string]int{}
	}
	s.pending[tenant] += entries
	many := s.pending[tenant] >= checkpointEntries
	wake := s.wakeUp()
	s.mu.Unlock()
	if many {
		select {
		case wake <- struct{}{}:
		default: // a checkpoint is already due
		}
	}
}

// wakeUp returns the channel that Run waits for. The caller holds mu.
func (s *Checkpoints) wakeUp() chan struct{} {
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
	}
	return s.wake
}

// Run makes checkpoints until ctx ends, first those that an earlier process has not made.
// A failure is logged, and tried again a second later.
func (s *Checkpoints) Run(ctx context.Context) {
	s.mu.Lock()
	wake := s.wakeUp()
	s.mu.Unlock()
	if err := s.findBehind(ctx); err != nil && ctx.Err() == nil {
		s.Log.WarnContext(ctx, "finding the audit logs without a checkpoint failed; they get one with their next entry", slog.Any("error", err))
	}
	ticker := time.NewTicker(checkpointEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.makeDue(ctx, 1)
		case <-wake:
			s.makeDue(ctx, checkpointEntries)
		}
	}
}

// Last makes the checkpoints that are due when nothing writes any more. It takes at most
// about ten seconds: what is missing then, the next process makes.
func (s *Checkpoints) Last() {
	ctx, cancel := context.WithTimeout(context.Background(), lastCheckpoints)
	defer cancel()
	s.makeDue(ctx, 1)
}

// findBehind counts the logs that have entries after their last checkpoint as changed.
func (s *Checkpoints) findBehind(ctx context.Context) error {
	for after := ""; ; {
		var tenants []string
		err := s.Store.View(ctx, func(t storage.Tx) (err error) {
			tenants, err = t.Trees().Behind(after, behindPage)
			return err
		})
		if err != nil || len(tenants) == 0 {
			return err
		}
		for _, tenant := range tenants {
			s.Notify(tenant, 1)
		}
		after = tenants[len(tenants)-1]
	}
}

// makeDue makes a checkpoint for each tenant with at least that many new entries.
func (s *Checkpoints) makeDue(ctx context.Context, entries int) {
	s.mu.Lock()
	due := map[string]int{}
	for tenant, n := range s.pending {
		if n >= entries {
			due[tenant] = n
			delete(s.pending, tenant)
		}
	}
	s.mu.Unlock()
	for _, tenant := range slices.Sorted(maps.Keys(due)) {
		c, err := Checkpoint(ctx, s.Store, tenant, s.Now)
		switch {
		case err == nil:
			if s.Made != nil {
				s.Made(ctx, c)
			}
		case errors.Is(err, storage.ErrNotFound): // the transaction with the entries was rolled back
		case errors.Is(err, storage.ErrLogDiffers):
			s.Log.ErrorContext(ctx, "the audit log was changed outside of the server; it gets no checkpoint: see aureus audit verify", slog.String("tenant", tenant), slog.Any("error", err))
		default:
			s.Notify(tenant, due[tenant])
			if ctx.Err() == nil {
				s.Log.WarnContext(ctx, "a checkpoint of the audit log failed; it is tried again in a second", slog.String("tenant", tenant), slog.Any("error", err))
			}
		}
	}
}
