package storage

import (
	"context"

	"github.com/farmountain/aureus-go/controlplane/internal/seal"
)

// Transactions runs transactions.
type Transactions interface {
	// Update runs fn in a transaction. It returns nil when the changes are on the
	// disk, and otherwise an error, after which nothing has changed. If fn fails, the
	// transaction is rolled back and the error is returned unchanged; a panic in fn
	// becomes an error.
	//
	// fn may be called more than once, and on another goroutine, but never twice at
	// the same time; only the last call counts. fn must be short, do no I/O except
	// through its Tx, and not call the store. It must change nothing outside of the
	// transaction except variables for its results, which each call must set. They are
	// valid only if Update returns nil.
	//
	// If ctx ends before the transaction begins, nothing is done and the error is the
	// cause of ctx. After that, ctx may be ignored.
	Update(ctx context.Context, fn func(Tx) error) error

	// View runs fn on one committed state of the database: that when View began, or a
	// later one. An update that is committed while fn runs is not seen, and does not
	// wait for fn. fn must not change anything. Like a function given to Update, it may
	// be called more than once. If ctx ends, the error is the cause of ctx or that of
	// the interrupted statement.
	View(ctx context.Context, fn func(Tx) error) error
}

// Store is an open database. It is safe for concurrent use.
type Store interface {
	Transactions

	// UpdateSized is like Update. bytes estimates how much fn writes: a backend
	// that combines small transactions can run a large one alone.
	UpdateSized(ctx context.Context, bytes int, fn func(Tx) error) error

	// ViewLong is like View, for reads that may take long. It calls [Options.LetIn]
	// for the tenant and runs with the context that this returns. If that context
	// ends, the error is its cause.
	ViewLong(ctx context.Context, tenant string, fn func(Tx) error) error

	// Key returns the API key with that id, of any tenant, revoked or not, or
	// ErrNotFound. It is called first for every request, to authenticate the
	// caller.
	Key(ctx context.Context, id string) (Key, error)

	// Identity returns a random text that identifies this database. A restored copy
	// has another one, so that a cursor of the original database is not used on it.
	Identity(ctx context.Context) (string, error)

	// SigningKey returns the signing key of the installation.
	SigningKey() *seal.Key

	// Ready returns nil if the database can be read and the last write succeeded. If
	// the last write failed, it tries a small one, at most once a second.
	Ready(ctx context.Context) error

	// Close waits for the running update and closes the database. All later calls
	// fail.
	Close() error
}

// Tx is a transaction. It is valid only until the function that received it
// returns, and only on the goroutine that runs this function. In a view, methods
// that change something must not be called.
type Tx interface {
	Keys() Keys
	Approvals() Approvals
	Audit() Audit
	Decisions() Decisions
	Validators() Validators
	Runs() Runs
	Replies() Replies
	Policies() Policies
	Installation() Installation
	Trees() Trees
	Outbox() Outbox
}

// Options holds the key of a store and functions that it calls. Each field may be empty.
type Options struct {
	// SigningKeyFile names the file with the signing key; see [OpenSigningKey]. Empty
	// means the file that was named before or, if none was, the file beside the
	// database: aureus.key for aureus.db.
	SigningKeyFile string

	// SigningKey is the key in that file. The store sets it while it is opened, before
	// any transaction of the caller.
	SigningKey *seal.Key

	// OwnKey reports whether the id is that of a key of this process, which is not
	// stored and cannot be revoked. nil means that every key that is not stored is
	// one.
	OwnKey func(tenant, id string) bool

	// Announce makes the messages for webhooks, which are stored in the transaction of the
	// entry or checkpoint that they announce. nil means that there are no webhooks.
	Announce Announcer

	// OnAudit is called, after a commit, for each tenant whose audit log has new
	// entries, with their number. It may also be called, and count entries, for a
	// transaction that was rolled back. It must return quickly.
	OnAudit func(tenant string, entries int)

	// LetIn limits concurrent long reads: it waits until the tenant may read, and
	// returns the context for the read. leave is called after the read. If LetIn
	// fails, the read fails with its error. nil means no limit.
	LetIn func(ctx context.Context, tenant string) (within context.Context, leave func(), err error)
}

// ViewLong implements [Store.ViewLong] for a backend: it calls LetIn and then runs
// fn in a view of s.
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
