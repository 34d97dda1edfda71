package sqlite

import (
	"database/sql"
	"errors"
	"math"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// AddReservation implements [storage.PolicyRows].
func (t policies) AddReservation(tenant string, now time.Time, decision aureus.DecisionID, r storage.Reservation) error {
	_, err := t.exec(`INSERT INTO budget_reservations (tenant, budget, share, at, amount, until, decision_id) VALUES (?,?,?,?,?,?,?)`,
		tenant, r.Budget, r.Key, now.UnixNano(), r.Amount, now.Add(r.Window).UnixNano(), decision.String())
	return err
}

// Release implements [storage.PolicyRows].
func (t policies) Release(tenant string, decision aureus.DecisionID) error {
	_, err := t.exec(`DELETE FROM budget_reservations WHERE tenant = ? AND decision_id = ?`, tenant, decision.String())
	return err
}

// Keep implements [storage.PolicyRows].
func (t policies) Keep(tenant string, decision aureus.DecisionID) error {
	_, err := t.exec(`UPDATE budget_reservations SET decision_id = '' WHERE tenant = ? AND decision_id = ?`, tenant, decision.String())
	return err
}

// Prune implements [storage.PolicyRows].
func (t policies) Prune(now time.Time, limit int) (int64, error) {
	if now.IsZero() {
		return 0, nil
	}
	return t.changed(`DELETE FROM budget_reservations WHERE seq IN (SELECT seq FROM budget_reservations WHERE until < ? ORDER BY until LIMIT ?)`, now.UnixNano(), limit)
}

// levels are those of budget_sums, from the reservations themselves to the largest slots. A
// slot of a level has 256 slots of the level before.
var levels = [...]int{0, 30, 38, 46} //nolint:gochecknoglobals // a constant

// span is a number of slots of a level that follow each other. The slots of level 0 are times.
type span struct {
	level    int // the index in levels
	from, to int64
}

// spansAfter returns the spans of all reservations after a time, in the order of time. No
// span but the last has more than 256 slots of sums, and that has few, because a window is
// at most a month.
func spansAfter(since int64) (spans [len(levels)]span) {
	for n := range levels {
		from, to := since>>levels[n]+1, int64(math.MaxInt64)
		if n+1 < len(levels) {
			to = (since>>levels[n+1] + 1) << (levels[n+1] - levels[n])
		}
		spans[n] = span{level: n, from: from, to: to}
	}
	return spans
}

// within returns the span of the level before that a slot consists of.
func (s span) within(slot int64) span {
	shift := levels[s.level] - levels[s.level-1]
	return span{level: s.level - 1, from: slot << shift, to: (slot + 1) << shift}
}

// errEnough ends a loop over rows.
var errEnough = errors.New("enough rows were read")

// sums calls visit for the slots of a span, in the order of time, with the number of
// reservations and the sum of their amounts, until it returns false.
func (t policies) sums(tenant, budget, key string, s span, visit func(slot int64, n int, sum int64) bool) error {
	query, args := `SELECT slot, n, whole, rest FROM budget_sums
		WHERE tenant = ? AND budget = ? AND share = ? AND level = ? AND slot >= ? AND slot < ? ORDER BY slot`,
		[]any{tenant, budget, key, levels[s.level], s.from, s.to}
	if s.level == 0 {
		query, args = `SELECT at, 1, amount / 1000000, amount % 1000000 FROM budget_reservations
			WHERE tenant = ? AND budget = ? AND share = ? AND at >= ? AND at < ? ORDER BY at`, []any{tenant, budget, key, s.from, s.to}
	}
	err := t.each(func(rows *sql.Rows) error {
		var slot, whole, rest int64
		var n int
		if err := rows.Scan(&slot, &n, &whole, &rest); err != nil {
			return err
		}
		if !visit(slot, n, millionths(whole, rest)) {
			return errEnough
		}
		return nil
	}, query, args...)
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// millionths returns whole*1000000 + rest, at most the largest number.
func millionths(whole, rest int64) int64 {
	if whole > (math.MaxInt64-rest)/1_000_000 {
		return math.MaxInt64
	}
	return whole*1_000_000 + rest
}

// Used implements [storage.PolicyRows].
func (t policies) Used(tenant, budget, key string, since time.Time) (n int, sum int64, err error) {
	for _, s := range spansAfter(since.UnixNano()) {
		if err := t.sums(tenant, budget, key, s, func(_ int64, count int, amount int64) bool {
			n += count
			sum += min(amount, math.MaxInt64-sum)
			return true
		}); err != nil {
			return 0, 0, err
		}
	}
	return n, sum, nil
}

// Freed implements [storage.PolicyRows].
func (t policies) Freed(tenant, budget, key string, since time.Time, n int, sum int64) (at time.Time, err error) {
	spans := spansAfter(since.UnixNano())
	for left := spans[:]; len(left) > 0; {
		s := left[0]
		left = left[1:]
		last, found := int64(0), false
		if err := t.sums(tenant, budget, key, s, func(slot int64, count int, amount int64) bool {
			last = slot
			if found = count >= n && amount >= sum; !found {
				n, sum = n-count, sum-amount
			}
			return !found
		}); err != nil {
			return time.Time{}, err
		}
		switch {
		case found && s.level == 0:
			return time.Unix(0, last).UTC(), nil
		case found:
			left = []span{s.within(last)}
		}
	}
	return time.Time{}, nil
}
