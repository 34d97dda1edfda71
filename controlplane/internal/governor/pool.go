package governor

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Owner says who holds units of a pool.
type Owner struct{ Tenant, Key string }

// Shares holds the limits of a pool: in total, for one tenant, and for one key.
// Urgent use may reach the limit; other use leaves a fifth of it free, rounded down.
// Each limit must be positive.
type Shares struct{ Total, Tenant, Key int64 }

// Level names one of the limits of a pool.
type Level string

// The levels of a pool.
const (
	LevelTotal  Level = "server"
	LevelTenant Level = "tenant"
	LevelKey    Level = "key"
)

// RefusedError is the error if a pool has no room for the owner.
type RefusedError struct {
	Level Level // the level whose limit was reached
	Limit int64 // that limit, in units of the pool
	Never bool  // the request exceeds the limit by itself, so that waiting is useless
}

// Error implements error.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("governor: the limit of %d for one %s is reached", e.Limit, e.Level)
}

// Pool is a counted resource that is shared fairly. It is safe for concurrent use.
// Create one with [NewPool].
type Pool struct {
	shares Shares

	mu      sync.Mutex
	total   int64
	grants  uint64 // the number of grants so far, used to order grants in time
	tenants map[string]*tenant
	waiting []*waiter // in order of arrival
}

// tenant records what one tenant holds. It is removed when the tenant holds nothing
// and waits for nothing.
type tenant struct {
	holding
	keys map[string]*holding
}

// holding records what a tenant or a key holds and waits for.
type holding struct {
	inUse   int64
	waiting int
	granted uint64 // the value of Pool.grants at its latest grant
}

type waiter struct {
	owner  Owner
	n      int64
	urgent bool
	ready  chan struct{} // closed when it is granted
	done   bool          // granted; guarded by the pool's mu
}

// NewPool returns an empty pool. A limit below 1 counts as 1. A tenant's limit is at
// most the total, and a key's limit at most the tenant's.
func NewPool(shares Shares) *Pool {
	shares.Total = max(shares.Total, 1)
	shares.Tenant = min(max(shares.Tenant, 1), shares.Total)
	shares.Key = min(max(shares.Key, 1), shares.Tenant)
	return &Pool{shares: shares, tenants: map[string]*tenant{}}
}

// Shares returns the limits of the pool.
func (p *Pool) Shares() Shares { return p.shares }

// Room returns how much one key may hold.
func (p *Pool) Room(urgent bool) int64 { return room(p.shares.Key, urgent) }

// Take takes n units for the owner, or takes nothing and fails with a
// *RefusedError. Give the units back with [Pool.Give].
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

// Wait takes n units like Take, but waits until there is room. Of several waiters,
// the tenant that holds least is served first, and within a tenant the key that
// holds least; among equals the one that was served longest ago. If the context ends
// first, Wait takes nothing and returns the cause.
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
	p.grantWaiting() // all other waiters may be at limits of their own
	p.mu.Unlock()

	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if w.done { // granted meanwhile, but the caller has given up
		p.give(owner, n)
		p.grantWaiting()
		return context.Cause(ctx)
	}
	p.removeWaiter(w)
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
	p.grantWaiting()
}

// InUse returns how many units are held in total.
func (p *Pool) InUse() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}

// A limit divided by reservedPart is reserved for urgent use.
const reservedPart = 5

func room(limit int64, urgent bool) int64 {
	if urgent {
		return limit
	}
	return limit - limit/reservedPart
}

// refusal returns nil if there is room. The caller holds mu.
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

// holder returns the records of the owner's tenant and key, and creates them if
// needed. The caller holds mu.
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
		panic(errors.New("governor: more units were given back than taken"))
	}
	p.forget(owner, t, k)
}

// forget removes the records of a key and a tenant that hold nothing and wait for
// nothing, so that memory use depends only on present holders.
func (p *Pool) forget(owner Owner, t *tenant, k *holding) {
	if k.inUse == 0 && k.waiting == 0 {
		delete(t.keys, owner.Key)
	}
	if t.inUse == 0 && t.waiting == 0 {
		delete(p.tenants, owner.Tenant)
	}
}

// removeWaiter removes the waiter from the queue. The caller holds mu.
func (p *Pool) removeWaiter(w *waiter) {
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

// grantWaiting grants waiters, as long as there is room for one of them. The caller
// holds mu.
func (p *Pool) grantWaiting() {
	for {
		var next *waiter
		for _, w := range p.waiting {
			if p.refusal(w.owner, w.n, w.urgent) == nil && (next == nil || p.precedes(w, next)) {
				next = w
			}
		}
		if next == nil {
			return
		}
		p.grant(next.owner, next.n)
		p.removeWaiter(next)
		next.done = true
		close(next.ready)
	}
}

// precedes reports whether a is served before b, which arrived earlier.
func (p *Pool) precedes(a, b *waiter) bool {
	ta, ka := p.holder(a.owner)
	tb, kb := p.holder(b.owner)
	for _, pair := range [][2]int64{
		{ta.inUse, tb.inUse}, {int64(ta.granted), int64(tb.granted)}, {ka.inUse, kb.inUse}, {int64(ka.granted), int64(kb.granted)}, //nolint:gosec // counters
	} {
		if pair[0] != pair[1] {
			return pair[0] < pair[1]
		}
	}
	return false
}
