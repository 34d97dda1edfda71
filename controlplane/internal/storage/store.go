package storage

import "context"

// Transactions runs transactions.
type Transactions interface {
	// Update runs fn in a transaction and returns when the transaction is on the
	// disk, or why it is not: then nothing of it is. An error of fn rolls the
	// transaction back and is returned as it is; so does a panic, as an error.
	//
	// fn may be called more than once and on another goroutine, but never twice at
	// the same time; the last call is the one that counts. It is short, does no
	// I/O but through its Tx, does not call the store, and changes nothing outside
	// the transaction except variables for its results, which it sets in every
	// call. The results count only if Update returns nil.
	//
	// Where ctx ends before the transaction has begun, nothing is done and the
	// error is the cause of ctx. Later it may be ignored.
	Update(ctx context.Context, fn func(Tx) error) error

	// View runs fn on one state of the database: that of an update that was committed
	// when View began, or a later one. An update that is committed while fn runs is
	// not seen, and does not wait for fn. fn changes nothing; like a function given
	// to Update, it may be called more than once. Where ctx ends,
	// the error is the cause of ctx or that of the statement that was interrupted.
	View(ctx context.Context, fn func(Tx) error) error
}

// Store is an open database. It is safe for concurrent use.
type Store interface {
	Transactions

	// UpdateSized is Update for a transaction that writes about so many bytes. It
	// is a hint with which a backend that groups small transactions can keep large
	// ones apart.
	UpdateSized(ctx context.Context, bytes int, fn func(Tx) error) error

	// ViewLong is View for reads that may take long, in the name of a tenant. It
	// waits for [Options.LetIn], runs in the context that this gives, and returns
	// the cause of that context where it has ended.
	ViewLong(ctx context.Context, tenant string, fn func(Tx) error) error

	// Key is the API key with that id, in whichever tenant, revoked or not, or
	// ErrNotFound. It is what every request reads first, outside of a transaction.
	Key(ctx context.Context, id string) (Key, error)

	// Identity is a text that belongs to this database alone. A restored copy has
	// another one, so that cursors into the original are known to be foreign.
	Identity(ctx context.Context) (string, error)

	// Ready is nil where the database can be read and the last write succeeded.
	// While the last one failed it tries a small write, at most once a second.
	Ready(ctx context.Context) error

	// Close waits for the update under way and closes the database. After it every
	// method fails.
	Close() error
}

// Tx is a transaction. It is valid until the function that it was given to
// returns, and only on the goroutine that runs that function. In a view, the
// methods that change something must not be called.
type Tx interface {
	Keys() Keys
	Approvals() Approvals
	Audit() Audit
	Decisions() Decisions
	Validators() Validators
	Runs() Runs
	Replies() Replies
}

// Options are what a store calls in the process that opens it. Every field may
// be nil.
type Options struct {
	// OwnKey reports whether the id is that of a key which exists in this process
	// only, is in no table and cannot be revoked. nil: every key that is in no
	// table is one.
	OwnKey func(tenant, id string) bool

	// OnAudit is called with each tenant to whose audit log a committed
	// transaction has added entries, after it is on the disk. It may also be
	// called for a transaction that was rolled back. It must return at once.
	OnAudit func(tenant string)

	// LetIn lets in long reads: it waits for the tenant's turn, which ends with
	// leave, and gives the context to read in. Its error is that of the read.
	LetIn func(ctx context.Context, tenant string) (within context.Context, leave func(), err error)
}

// ViewLong is what a backend needs for [Store.ViewLong]: it runs fn in a view
// of s in the turn that the options give.
func (o *Options) ViewLong(ctx context.Context, s Transactions, tenant string, fn func(Tx) error) error {
	if o.LetIn != nil {
		within, leave, err := o.LetIn(ctx, tenant)
		if err != nil {
			return err
		}
		defer leave()
		ctx = within
	}
	err := s.View(ctx, fn)
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
