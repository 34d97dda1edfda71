package governor

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Governor has the pools of one server. Make one with [New].
type Governor struct {
	Requests *Pool // requests under way, in requests
	Streams  *Pool // clients that follow, in clients
	Runs     *Pool // workflow runs that work, in runs
	Parked   *Pool // workflow runs that wait for their next attempt, in runs
	Bytes    *Pool // memory for bodies and what is made of them, in bytes
	Reads    *Pool // long reads of the telemetry at the same time
	Audit    *Pool // long reads of everything else at the same time
	Work     *Pool // long processing at the same time, in pieces of work
}

// Limits are the totals of a [Governor]; each must be positive. A tenant gets
// half of a total, and a key half of that.
type Limits struct {
	Requests, Streams, Runs, Parked int64
	Bytes                           int64
	LargestBody                     int64 // bytes; a key may always read one of this size
	Processors                      int64
}

// New makes a governor with empty pools.
func New(l Limits) *Governor {
	fair := func(total int64) *Pool { return NewPool(Shares{Total: total, Tenant: total / 2, Key: total / 4}) }
	whole := func(total int64) *Pool { return fair(total + total/4) } // so that ordinary use alone may have the total
	// The largest body is there as text, and a second time while its buffer grows or
	// as what was read of it; or else it is the text that decodes into most.
	largest := max(2*l.LargestBody+8<<20, maxWeight+8<<20) * reserved / (reserved - 1)
	bytes := max(l.Bytes, 2*largest)
	return &Governor{
		Requests: whole(l.Requests), Streams: whole(l.Streams), Runs: whole(l.Runs), Parked: whole(l.Parked),
		Bytes: NewPool(Shares{Total: bytes, Tenant: max(bytes/2, largest), Key: max(bytes/4, largest)}),
		// Each store has at least one connection more than this, so that what is short
		// does not wait for what is long; and one tenant leaves a turn to others.
		Reads: NewPool(Shares{Total: 3, Tenant: 2, Key: 2}), Audit: NewPool(Shares{Total: 4, Tenant: 2, Key: 2}),
		// One more than there are processors, so that all of them have work while one
		// of the pieces waits for the disk; and one is always left to other tenants.
		Work: NewPool(Shares{Total: l.Processors + 1, Tenant: l.Processors, Key: l.Processors}),
	}
}

// MaxWait is how long a request waits for its turn to be processed.
const MaxWait = 10 * time.Second

// ErrNoTurn says that a request was not processed within MaxWait.
var ErrNoTurn = errors.New("governor: other work went on for too long")

// ErrLongRead says that a read was given up, as it took too long.
var ErrLongRead = errors.New("governor: the read took too long")

// Read waits for the tenant's turn to read for long from the pool, ErrNoTurn
// after MaxWait, and gives the context to read in: with the cause ErrLongRead it
// ends after the time most. The turn lasts until leave is called.
func Read(ctx context.Context, pool *Pool, tenant string, most time.Duration) (within context.Context, leave func(), err error) {
	owner := Owner{Tenant: tenant}
	waiting, cancel := context.WithTimeoutCause(ctx, MaxWait, ErrNoTurn)
	defer cancel()
	if err := pool.Wait(waiting, owner, 1, true); err != nil {
		return nil, nil, err
	}
	within, end := context.WithTimeoutCause(ctx, most, ErrLongRead)
	return within, func() {
		end()
		pool.Give(owner, 1)
	}, nil
}

// Account is what one request holds. It is safe for concurrent use.
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

// RequestBytes is what a request is counted as before its body: its header,
// buffers and stack.
const RequestBytes = 32 << 10

// Enter takes a request slot for the owner, or fails with a *RefusedError.
// Urgent requests may use what is kept for decisions and operators. The account
// must be closed.
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

// Owner is in whose name the account is.
func (a *Account) Owner() Owner { return a.owner }

// Urgent reports whether the account may use what is reserved.
func (a *Account) Urgent() bool { return a.urgent }

// Charge takes n more bytes until the account is closed, or fails with a
// *RefusedError. A nil account is charged nothing: it is that of a caller that
// has not come through a governor.
func (a *Account) Charge(n int64) error {
	if a == nil {
		return nil
	}
	err := a.governor.Bytes.Take(a.owner, n, a.urgent)
	a.mu.Lock()
	defer a.mu.Unlock()
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		refused.Never = refused.Never || a.bytes+n > refused.Limit // it would not fit alone
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

// Refund gives back n bytes that were charged and are free again.
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

// Work waits for the turn to process something long: ErrNoTurn after MaxWait,
// or the cause of the context's end. The turn lasts until [Account.Rest] or the
// end of the request. Who has a turn already gets no second one.
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

// Rest ends the turn that [Account.Work] gave, if there is one.
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

// Follow exchanges the request slot for a stream slot, which the account holds
// until release is called. It fails with a *RefusedError and then keeps the
// request slot.
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

// Close gives back everything that the account holds. It may be called again.
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
