package governor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Owner is in whose name something is held.
type Owner struct{ Tenant, Key string }

// Shares are the limits of a pool: for all together, for one tenant, and for one
// key. Urgent use may fill a level to its limit; other use leaves the last fifth
// of each level to it, rounded down. Each limit must be positive.
type Shares struct{ Total, Tenant, Key int64 }

// Level says which limit of a pool was reached.
type Level string

// The levels of a pool.
const (
	LevelTotal  Level = "server"
	LevelTenant Level = "tenant"
	LevelKey    Level = "key"
)

// RefusedError says that a pool has no room for the owner.
type RefusedError struct {
	Level Level // whose limit was reached
	Limit int64 // that limit, in units of the pool
	Never bool  // what was asked for is more than the limit: there will never be room
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("governor: the limit of %d for one %s is reached", e.Limit, e.Level)
}

// Pool is a counted resource that is shared fairly. It is safe for concurrent
// use. Make one with [NewPool].
type Pool struct {
	shares Shares

	mu      sync.Mutex
	total   int64
	grants  uint64 // how many have been granted, which dates the latest grant of a holder
	tenants map[string]*tenant
	waiting []*waiter // in order of arrival
}

// tenant is what one tenant holds. It is forgotten once it holds nothing and
// waits for nothing.
type tenant struct {
	holding
	keys map[string]*holding
}

// holding is what a tenant or a key holds and waits for.
type holding struct {
	inUse   int64
	waiting int
	granted uint64 // when it was last granted something
}

type waiter struct {
	owner  Owner
	n      int64
	urgent bool
	ready  chan struct{} // closed once it is granted
	done   bool          // granted, guarded by the pool's mu
}

// NewPool makes an empty pool. A limit below 1 is taken for 1; a tenant never
// has more than all, nor a key more than its tenant.
func NewPool(shares Shares) *Pool {
	shares.Total = max(shares.Total, 1)
	shares.Tenant = min(max(shares.Tenant, 1), shares.Total)
	shares.Key = min(max(shares.Key, 1), shares.Tenant)
	return &Pool{shares: shares, tenants: map[string]*tenant{}}
}

// Shares are the limits of the pool.
func (p *Pool) Shares() Shares { return p.shares }

// Room is the most that one key may hold.
func (p *Pool) Room(urgent bool) int64 { return room(p.shares.Key, urgent) }

// Take takes n units for the owner, or fails at once with a *RefusedError and
// takes nothing. What was taken is given back with [Pool.Give].
func (p *Pool) Take(owner Owner, n int64, urgent bool) error {
	if n <= 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if refused := p.refusal(owner, n, urgent); refused != nil {
		return refused
	}
	p.grant(owner, n)
	return nil
}

// Wait is Take that waits until there is room. Of those who wait, the tenant
// that holds the least goes first, within it the key that holds the least; among
// equals the one that was served longest ago. When the context ends first, Wait
// takes nothing and returns the cause.
func (p *Pool) Wait(ctx context.Context, owner Owner, n int64, urgent bool) error {
	if n <= 0 {
		return nil
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	if len(p.waiting) == 0 && p.refusal(owner, n, urgent) == nil {
		p.grant(owner, n)
		p.mu.Unlock()
		return nil
	}
	w := &waiter{owner: owner, n: n, urgent: urgent, ready: make(chan struct{})}
	p.waiting = append(p.waiting, w)
	t, k := p.holder(owner)
	t.waiting++
	k.waiting++
	p.serve() // those who wait may all be at limits of their own
	p.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.done { // granted meanwhile: the caller has given up, so it goes to others
		p.give(owner, n)
		p.serve()
		return context.Cause(ctx)
	}
	p.leave(w)
	return context.Cause(ctx)
}

// Give gives back n units that the owner has taken.
func (p *Pool) Give(owner Owner, n int64) {
	if n <= 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.give(owner, n)
	p.serve()
}

// InUse is how much is held by all together.
func (p *Pool) InUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// reserved is the part of every limit that only urgent use may take.
const reserved = 5 // the fifth part

func room(limit int64, urgent bool) int64 {
	if urgent {
		return limit
	}
	return limit - limit/reserved
}

// refusal is nil where there is room. The caller holds mu.
func (p *Pool) refusal(owner Owner, n int64, urgent bool) *RefusedError {
	var tenantUse, keyUse int64
	if t := p.tenants[owner.Tenant]; t != nil {
		tenantUse = t.inUse
		if k := t.keys[owner.Key]; k != nil {
			keyUse = k.inUse
		}
	}
	for _, level := range []struct {
		name       Level
		use, limit int64
	}{
		{LevelKey, keyUse, p.shares.Key}, {LevelTenant, tenantUse, p.shares.Tenant}, {LevelTotal, p.total, p.shares.Total},
	} {
		if level.use+n > room(level.limit, urgent) {
			return &RefusedError{Level: level.name, Limit: room(level.limit, urgent), Never: n > room(level.limit, urgent)}
		}
	}
	return nil
}

// holder finds or makes what the owner holds. The caller holds mu.
func (p *Pool) holder(owner Owner) (*tenant, *holding) {
	t := p.tenants[owner.Tenant]
	if t == nil {
		t = &tenant{keys: map[string]*holding{}}
		p.tenants[owner.Tenant] = t
	}
	k := t.keys[owner.Key]
	if k == nil {
		k = &holding{}
		t.keys[owner.Key] = k
	}
	return t, k
}

func (p *Pool) grant(owner Owner, n int64) {
	t, k := p.holder(owner)
	p.grants++
	p.total += n
	t.inUse, k.inUse = t.inUse+n, k.inUse+n
	t.granted, k.granted = p.grants, p.grants
}

func (p *Pool) give(owner Owner, n int64) {
	t, k := p.holder(owner)
	p.total, t.inUse, k.inUse = p.total-n, t.inUse-n, k.inUse-n
	if k.inUse < 0 {
		panic(errors.New("governor: more was given back than was taken"))
	}
	p.forget(owner, t, k)
}

// forget drops what has become empty, so that memory is bounded by what is held.
func (p *Pool) forget(owner Owner, t *tenant, k *holding) {
	if k.inUse == 0 && k.waiting == 0 {
		delete(t.keys, owner.Key)
	}
	if t.inUse == 0 && t.waiting == 0 {
		delete(p.tenants, owner.Tenant)
	}
}

// leave takes the waiter out of the queue. The caller holds mu.
func (p *Pool) leave(w *waiter) {
	for i, other := range p.waiting {
		if other == w {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			break
		}
	}
	t, k := p.holder(w.owner)
	t.waiting--
	k.waiting--
	p.forget(w.owner, t, k)
}

// serve grants to those who wait as long as there is room for one of them. The
// caller holds mu.
func (p *Pool) serve() {
	for {
		var next *waiter
		for _, w := range p.waiting {
			if p.refusal(w.owner, w.n, w.urgent) == nil && (next == nil || p.before(w, next)) {
				next = w
			}
		}
		if next == nil {
			return
		}
		p.grant(next.owner, next.n)
		p.leave(next)
		next.done = true
		close(next.ready)
	}
}

// before says whether a goes before b, which came first.
func (p *Pool) before(a, b *waiter) bool {
	at, ak := p.holder(a.owner)
	bt, bk := p.holder(b.owner)
	for _, pair := range [][2]int64{
		{at.inUse, bt.inUse}, {int64(at.granted), int64(bt.granted)}, {ak.inUse, bk.inUse}, {int64(ak.granted), int64(bk.granted)}, //nolint:gosec // counters
	} {
		if pair[0] != pair[1] {
			return pair[0] < pair[1]
		}
	}
	return false
}
