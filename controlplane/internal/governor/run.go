package governor

import (
	"context"
	"sync"
)

// Run records what one workflow run holds: a slot, and memory for its request and
// results. It is safe for concurrent use. The methods of a nil *Run do nothing.
type Run struct {
	governor *Governor
	owner    Owner

	mu     sync.Mutex
	bytes  int64
	slot   *Pool // the pool of its slot, Runs or Parked; nil after Close
	closed bool
}

// StartRun takes a slot and the given number of bytes for a run, or fails at once
// with a *RefusedError. The run must be closed.
func (g *Governor) StartRun(owner Owner, bytes int64) (*Run, error) {
	if err := g.Runs.Take(owner, 1, false); err != nil {
		return nil, err
	}
	if err := g.Bytes.Take(owner, bytes, false); err != nil {
		g.Runs.Give(owner, 1)
		return nil, err
	}
	return &Run{governor: g, owner: owner, bytes: bytes, slot: g.Runs}, nil
}

// ResumeRun is like StartRun, but waits for room. It is for a run that was started
// before. If the context ends first, it takes nothing and returns the cause.
func (g *Governor) ResumeRun(ctx context.Context, owner Owner, bytes int64) (*Run, error) {
	if err := g.Runs.Wait(ctx, owner, 1, false); err != nil {
		return nil, err
	}
	if err := g.Bytes.Wait(ctx, owner, bytes, false); err != nil {
		g.Runs.Give(owner, 1)
		return nil, err
	}
	return &Run{governor: g, owner: owner, bytes: bytes, slot: g.Runs}, nil
}

// Park gives the slot back while the run waits for a long time, and takes one of the
// pool Parked. If that pool has no room, the run keeps its slot. [Run.Unpark] must
// follow.
func (r *Run) Park() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slot != r.governor.Runs || r.governor.Parked.Take(r.owner, 1, false) != nil {
		return
	}
	r.governor.Runs.Give(r.owner, 1)
	r.slot = r.governor.Parked
}

// Unpark waits until a parked run has a slot of the pool Runs again. If the context
// ends first, the run stays parked, and the error is the cause.
func (r *Run) Unpark(ctx context.Context) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	parked := r.slot == r.governor.Parked
	r.mu.Unlock()
	if !parked {
		return nil
	}
	if err := r.governor.Runs.Wait(ctx, r.owner, 1, false); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.slot != r.governor.Parked { // it was closed or unparked meanwhile
		r.governor.Runs.Give(r.owner, 1)
		return nil
	}
	r.governor.Parked.Give(r.owner, 1)
	r.slot = r.governor.Runs
	return nil
}

// Charge takes n more bytes until the run is closed, for results of its tasks. It
// waits for room, and fails with ErrNoTurn after MaxWait, or with the cause of the
// context.
func (r *Run) Charge(ctx context.Context, n int64) error {
	if r == nil || n <= 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, MaxWait, ErrNoTurn)
	defer cancel()
	if err := r.governor.Bytes.Wait(ctx, r.owner, n, false); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed { // a tool returned after the run had ended
		r.governor.Bytes.Give(r.owner, n)
		return context.Canceled
	}
	r.bytes += n
	return nil
}

// Close gives back what the run holds. It may be called more than once.
func (r *Run) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	slot, bytes := r.slot, r.bytes
	closed := r.closed
	r.slot, r.closed = nil, true
	r.mu.Unlock()
	if closed {
		return
	}
	slot.Give(r.owner, 1)
	r.governor.Bytes.Give(r.owner, bytes)
}
