package governor

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Governor holds the pools of one server. Create one with [New].
type Governor struct {
	Requests *Pool // running requests
	Streams  *Pool // clients of the event stream
	Runs     *Pool // workflow runs that are executing
	Parked   *Pool // workflow runs that wait for their next attempt
	Bytes    *Pool // bytes of memory for bodies and the values decoded from them
	Reads    *Pool // concurrent long reads of telemetry
	Audit    *Pool // concurrent long reads of other data
	Work     *Pool // concurrent long computations
}

// Limits holds the totals of a [Governor]; each must be positive. One tenant may
// use half of a total, and one key a quarter.
type Limits struct {
	Requests, Streams, Runs, Parked int64
	Bytes                           int64
	LargestBody                     int64 // bytes; the share of a key always has room for one
	Processors                      int64
}

// New returns a governor with empty pools.
func New(l Limits) *Governor {
	fair := func(total int64) *Pool { return NewPool(Shares{Total: total, Tenant: total / 2, Key: total / 4}) }
	whole := func(total int64) *Pool { return fair(total + total/4) } // non-urgent use may reach the whole total
	// The largest body takes memory twice: as text, and while its buffer grows or as
	// the decoded values. A smaller text can decode to more, up to maxWeight.
	largest := max(2*l.LargestBody+8<<20, maxWeight+8<<20) * reservedPart / (reservedPart - 1)
	bytes := max(l.Bytes, 2*largest)
	return &Governor{
		Requests: whole(l.Requests), Streams: whole(l.Streams), Runs: whole(l.Runs), Parked: whole(l.Parked),
		Bytes: NewPool(Shares{Total: bytes, Tenant: max(bytes/2, largest), Key: max(bytes/4, largest)}),
		// Each store has at least one connection more than this, so that short reads do
		// not wait for long ones. One tenant cannot use the whole pool.
		Reads: NewPool(Shares{Total: 3, Tenant: 2, Key: 2}), Audit: NewPool(Shares{Total: 4, Tenant: 2, Key: 2}),
		// One more than the number of processors, so that all are busy while one
		// computation waits for the disk. One tenant cannot use the whole pool.
		Work: NewPool(Shares{Total: l.Processors + 1, Tenant: l.Processors, Key: l.Processors}),
	}
}

// MaxWait is how long a request waits for a place in a pool.
const MaxWait = 10 * time.Second

// ErrNoTurn means that a request got no place in a pool within MaxWait.
var ErrNoTurn = errors.New("governor: other work went on for too long")

// ErrLongRead means that a read was stopped because it took too long.
var ErrLongRead = errors.New("governor: the read took too long")

// Read waits for a place in a pool of long reads, and fails with ErrNoTurn after
// MaxWait. The read must use the returned context, which ends with the cause
// ErrLongRead after the given limit. Call leave to give the place back.
func Read(ctx context.Context, pool *Pool, tenant string, limit time.Duration) (within context.Context, leave func(), err error) {
	owner := Owner{Tenant: tenant}
	waiting, cancel := context.WithTimeoutCause(ctx, MaxWait, ErrNoTurn)
	defer cancel()
	if err := pool.Wait(waiting, owner, 1, true); err != nil {
		return nil, nil, err
	}
	within, end := context.WithTimeoutCause(ctx, limit, ErrLongRead)
	return within, func() {
		end()
		pool.Give(owner, 1)
	}, nil
}

// Account records what one request holds in the pools. It is safe for concurrent
// use.
type Account struct {
	governor *Governor
	owner    Owner
	urgent   bool

	mu      sync.Mutex
	request bool
	working bool
	bytes   int64
	closed  bool
}

// RequestBytes is the memory that a request is charged without its body, for
// header, buffers and stack.
const RequestBytes = 32 << 10

// Enter takes a request slot for the owner, or fails with a *RefusedError. Urgent
// requests may use the reserve for decisions and operators. The account must be
// closed.
func (g *Governor) Enter(owner Owner, urgent bool) (*Account, error) {
	if err := g.Requests.Take(owner, 1, urgent); err != nil {
		return nil, err
	}
	a := &Account{governor: g, owner: owner, urgent: urgent, request: true}
	if err := a.Charge(RequestBytes); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// Owner returns the owner of the account.
func (a *Account) Owner() Owner { return a.owner }

// Urgent reports whether the account may use the reserve.
func (a *Account) Urgent() bool { return a.urgent }

// Charge takes n more bytes until the account is closed, or fails with a
// *RefusedError. A nil account, for callers outside the governor, has no limit.
func (a *Account) Charge(n int64) error {
	if a == nil {
		return nil
	}
	err := a.governor.Bytes.Take(a.owner, n, a.urgent)
	a.mu.Lock()
	defer a.mu.Unlock()
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		refused.Never = refused.Never || a.bytes+n > refused.Limit // too large even if nobody else used the pool
	}
	if err != nil {
		return err
	}
	if a.closed { // the request has ended meanwhile
		a.governor.Bytes.Give(a.owner, n)
		return context.Canceled
	}
	a.bytes += max(n, 0)
	return nil
}

// Refund gives back n bytes that were charged.
func (a *Account) Refund(n int64) {
	if a == nil || n <= 0 {
		return
	}
	a.mu.Lock()
	n = min(n, a.bytes)
	a.bytes -= n
	a.mu.Unlock()
	a.governor.Bytes.Give(a.owner, n)
}

// Work waits for a place in the pool of long computations. It fails with ErrNoTurn
// after MaxWait, or with the cause of the context. The place is held until
// [Account.Rest] or [Account.Close]. An account that has a place keeps it and gets
// no second one.
func (a *Account) Work(ctx context.Context) error {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	has := a.working || a.closed
	a.mu.Unlock()
	if has {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, MaxWait, ErrNoTurn)
	defer cancel()
	if err := a.governor.Work.Wait(ctx, a.owner, 1, true); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.working || a.closed {
		a.governor.Work.Give(a.owner, 1)
		return nil
	}
	a.working = true
	return nil
}

// Rest gives back the place that [Account.Work] took, if there is one.
func (a *Account) Rest() {
	if a == nil {
		return
	}
	a.mu.Lock()
	worked := a.working
	a.working = false
	a.mu.Unlock()
	if worked {
		a.governor.Work.Give(a.owner, 1)
	}
}

// Follow exchanges the request slot for a stream slot, which is held until release
// is called. If it fails with a *RefusedError, the account keeps its request slot.
func (a *Account) Follow() (release func(), err error) {
	if a == nil {
		return func() {}, nil
	}
	if err := a.governor.Streams.Take(a.owner, 1, a.urgent); err != nil {
		return nil, err
	}
	a.mu.Lock()
	held := a.request
	a.request = false
	a.mu.Unlock()
	if held {
		a.governor.Requests.Give(a.owner, 1)
	}
	return sync.OnceFunc(func() { a.governor.Streams.Give(a.owner, 1) }), nil
}

// Close gives back everything that the account holds. It may be called more than
// once.
func (a *Account) Close() {
	if a == nil {
		return
	}
	a.Rest()
	a.mu.Lock()
	held, n := a.request, a.bytes
	a.request, a.bytes, a.closed = false, 0, true
	a.mu.Unlock()
	if held {
		a.governor.Requests.Give(a.owner, 1)
	}
	a.governor.Bytes.Give(a.owner, n)
}
