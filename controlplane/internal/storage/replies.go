package storage

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
)

// The limits of the stored replies. If one is exceeded, the key with the largest
// share, in the tenant with the largest share, loses its oldest replies.
const (
	ReplyLife     = 10 * time.Minute
	MaxReplies    = 20_000
	MaxReplyBytes = 64 << 20 // bytes of all bodies
	MaxReply      = 1 << 20  // bytes of one body
)

// maxExpiredReplies is how many expired replies one transaction deletes at most.
const maxExpiredReplies = 1000

// Reply is the first response to a request with an Idempotency-Key.
type Reply struct {
	Owner   fair.Owner        // the tenant and the API key of the request
	Scope   [sha256.Size]byte // a hash of the caller, the path and the Idempotency-Key, which itself is not stored
	Request [sha256.Size]byte // the hash of the request's body
	At      time.Time         // when the response was made; stored with a precision of milliseconds
	Status  int
	Header  map[string][]string
	Body    []byte
}

// Replies stores the first responses to requests with an Idempotency-Key.
type Replies interface {
	// Add stores a reply. It also deletes at most 1000 replies that are older than
	// [ReplyLife] at the time of the new one, and then the replies beyond the other
	// limits. It fails if the body is larger than [MaxReply].
	Add(r Reply) error
	// Each calls visit for the replies that are not older than since, in the order in
	// which they were stored. visit must not use the transaction.
	Each(since time.Time, visit func(Reply) error) error
	// Expired reports whether there is a reply that is older than before.
	Expired(before time.Time) (bool, error)
	// Prune deletes at most limit replies that are older than before, and returns
	// their number: 0 means that none is left.
	Prune(before time.Time, limit int) (int64, error)
}

// ReplyRows reads and writes the rows of replies. It also counts them by owner.
type ReplyRows interface {
	// Each and Expired are as in [Replies].
	Each(since time.Time, visit func(Reply) error) error
	Expired(before time.Time) (bool, error)
	// Prune is as in [Replies]. It deletes the oldest replies first.
	Prune(before time.Time, limit int) (int64, error)
	// Add stores a reply, even if there is already one with the same Owner and
	// Scope.
	Add(r Reply) error
	// Usage returns, for each owner, the number of replies and the bytes of their
	// bodies.
	Usage() ([]fair.Usage, error)
	// DeleteOldest deletes the reply of the owner that was stored first, and returns
	// the bytes of its body. It fails with ErrNotFound if the owner has none.
	DeleteOldest(owner fair.Owner) (bytes int64, err error)
}

// replyRules implements [Replies].
type replyRules struct {
	ReplyRows

	bounds fair.Bounds
}

// Add implements [Replies].
func (t replyRules) Add(r Reply) error {
	if len(r.Body) > MaxReply {
		return fmt.Errorf("a response of %d bytes is too large to be stored", len(r.Body))
	}
	if _, err := t.Prune(r.At.Add(-ReplyLife), maxExpiredReplies); err != nil {
		return err
	}
	if err := t.ReplyRows.Add(r); err != nil {
		return err
	}
	usage, err := t.Usage()
	if err != nil {
		return err
	}
	for {
		i, exceeded := fair.Largest(usage, t.bounds)
		if !exceeded {
			return nil
		}
		freed, err := t.DeleteOldest(usage[i].Owner)
		if err != nil {
			return err
		}
		usage[i].Rows--
		usage[i].Cost -= freed
	}
}

// PruneReplies deletes the replies that are older than before. If there are none, it
// begins no update.
func PruneReplies(ctx context.Context, s Transactions, before time.Time) error {
	expired := false
	err := s.View(ctx, func(t Tx) (err error) {
		expired, err = t.Replies().Expired(before)
		return err
	})
	if err != nil || !expired {
		return err
	}
	_, err = pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Replies().Prune(before, PruneRows) })
	return err
}
