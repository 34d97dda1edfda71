package policy

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// The bounds of the memory of localBudgets: about 100 MB if all are reached.
const (
	maxKeys    = 100_000 // pairs of a budget and a key
	maxEntries = 512     // reservations of a key that are counted one by one
	maxHeld    = 500_000 // reservations of all keys that are counted one by one, and that can be released
)

var errTooManyKeys = errors.New("policy: more than 100,000 principals have used the budgets within their windows; count budgets in a control plane")

// localBudgets counts budgets in this process, by sliding windows. The zero value is
// empty and ready to use.
type localBudgets struct {
	mu    sync.Mutex
	keys  map[budgetKey]*ledger
	held  map[aureus.DecisionID][]*ledger // the ledgers with an entry of the decision
	count int                             // entries of all ledgers
	swept time.Time                       // when expired entries of all ledgers were removed last
}

type budgetKey struct{ budget, key string }

// ledger has the reservations of one key of one budget, the oldest first.
type ledger struct {
	entries []reserved
	sum     int64         // of the amounts of all entries
	window  time.Duration // of the last reservation: for how long entries are kept
}

type reserved struct {
	at       time.Time
	amount   int64
	decision aureus.DecisionID // zero if several reservations were joined, which cannot be released
}

// expire removes the entries that have left both the window and that of the last
// reservation, so that a question about a shorter window frees nothing. An entry counts
// for exactly the length of a window.
func (b *localBudgets) expire(l *ledger, at time.Time, window time.Duration) {
	window = max(window, l.window)
	first := 0
	for first < len(l.entries) && at.Sub(l.entries[first].at) >= window {
		l.sum -= l.entries[first].amount
		b.forget(l, l.entries[first].decision)
		first++
	}
	b.count -= first
	l.entries = l.entries[:copy(l.entries, l.entries[first:])]
}

// forget notes that the ledger has no entry of the decision any more.
func (b *localBudgets) forget(l *ledger, decision aureus.DecisionID) {
	held := b.held[decision]
	if i := slices.Index(held, l); i >= 0 {
		held = slices.Delete(held, i, i+1)
	}
	if len(held) > 0 {
		b.held[decision] = held
	} else {
		delete(b.held, decision)
	}
}

// firstWithin returns the first entry within the window, and the sum of the amounts from
// there on.
func (l *ledger) firstWithin(at time.Time, window time.Duration) (first int, used int64) {
	used = l.sum
	for first < len(l.entries) && at.Sub(l.entries[first].at) >= window {
		used -= l.entries[first].amount
		first++
	}
	return first, used
}

// retryAfter returns the time until there is room for the reservation.
func (l *ledger) retryAfter(at time.Time, r *Reservation) time.Duration {
	if r.Amount > r.Limit {
		return 0
	}
	first, left := l.firstWithin(at, r.Window)
	for _, entry := range l.entries[first:] {
		left -= entry.amount
		if left <= r.Limit-r.Amount {
			return max(entry.at.Add(r.Window).Sub(at), 1)
		}
	}
	return r.Window
}

var emptyLedger ledger // never written

// Check implements [Budgets].
func (b *localBudgets) Check(_ context.Context, at time.Time, reservations []Reservation) ([]Exceeded, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.check(at, reservations), nil
}

func (b *localBudgets) check(at time.Time, reservations []Reservation) (exceeded []Exceeded) {
	for i := range reservations {
		r := &reservations[i]
		l := b.keys[budgetKey{r.Budget, r.Key}]
		if l == nil {
			l = &emptyLedger
		} else {
			b.expire(l, at, r.Window)
		}
		if _, used := l.firstWithin(at, r.Window); used > r.Limit-r.Amount {
			exceeded = append(exceeded, Exceeded{Index: i, Used: used, RetryAfter: l.retryAfter(at, r)})
		}
	}
	return exceeded
}

// Reserve implements [Budgets].
func (b *localBudgets) Reserve(_ context.Context, decision aureus.DecisionID, at time.Time, reservations []Reservation) ([]Exceeded, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if exceeded := b.check(at, reservations); len(exceeded) > 0 {
		return exceeded, nil
	}
	if b.keys == nil {
		b.keys, b.held = map[budgetKey]*ledger{}, map[aureus.DecisionID][]*ledger{}
	}
	b.sweep(at)
	if len(b.keys)+len(reservations) > maxKeys && b.isNew(reservations) {
		return nil, errTooManyKeys
	}
	held := make([]*ledger, 0, len(reservations))
	for i := range reservations {
		r := &reservations[i]
		key := budgetKey{r.Budget, r.Key}
		l := b.keys[key]
		if l == nil {
			l = &ledger{}
			b.keys[key] = l
		}
		if b.add(l, decision, at, r) {
			held = append(held, l)
		}
	}
	if len(held) > 0 {
		b.held[decision] = held
	}
	return nil, nil
}

func (b *localBudgets) isNew(reservations []Reservation) bool {
	for i := range reservations {
		if b.keys[budgetKey{reservations[i].Budget, reservations[i].Key}] == nil {
			return true
		}
	}
	return false
}

// add adds an entry. It reports whether the entry can be released. At the bounds of the
// memory, entries are joined: the joined amount counts until the newest of them leaves
// the window, so that a budget never permits more than its limit.
func (b *localBudgets) add(l *ledger, decision aureus.DecisionID, at time.Time, r *Reservation) bool {
	l.window = r.Window
	l.sum += r.Amount
	n := len(l.entries)
	if n > 0 && at.Before(l.entries[n-1].at) {
		at = l.entries[n-1].at // the clock went back: count from the later time
	}
	if n > 0 && b.count >= maxHeld {
		last := &l.entries[n-1]
		b.forget(l, last.decision)
		*last = reserved{at: at, amount: last.amount + r.Amount}
		return false
	}
	if n == maxEntries {
		b.join(l)
	}
	l.entries = append(l.entries, reserved{at: at, amount: r.Amount, decision: decision})
	b.count++
	return true
}

// join joins pairs of the older half of the entries.
func (b *localBudgets) join(l *ledger) {
	const half = maxEntries / 2
	kept := l.entries[:0]
	for i := 0; i < half; i += 2 {
		first, second := l.entries[i], l.entries[i+1]
		b.forget(l, first.decision)
		b.forget(l, second.decision)
		kept = append(kept, reserved{at: second.at, amount: first.amount + second.amount})
	}
	kept = append(kept, l.entries[half:]...)
	b.count -= len(l.entries) - len(kept)
	l.entries = kept
}

// sweepInterval is the time between two removals of expired entries of all keys.
const sweepInterval = time.Minute

// sweep removes, once in a minute, the keys without entries in their window.
func (b *localBudgets) sweep(at time.Time) {
	if at.Sub(b.swept) < sweepInterval {
		return
	}
	b.swept = at
	for key, l := range b.keys {
		b.expire(l, at, l.window)
		if len(l.entries) == 0 {
			delete(b.keys, key)
		}
	}
}

// Release implements [Budgets].
func (b *localBudgets) Release(_ context.Context, decision aureus.DecisionID) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.held[decision] {
		for i, entry := range slices.Backward(l.entries) {
			if entry.decision == decision {
				l.sum -= entry.amount
				l.entries = append(l.entries[:i], l.entries[i+1:]...)
				b.count--
				break
			}
		}
	}
	delete(b.held, decision)
	return nil
}
