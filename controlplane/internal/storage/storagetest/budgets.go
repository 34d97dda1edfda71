package storagetest

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// taken is a reservation in the model of a budget.
type taken struct {
	at     time.Time
	amount int64
	id     aureus.DecisionID
}

// used returns the sum within the window, and the time until the amount has room.
func used(list []taken, now time.Time, r storage.Reservation) (sum int64, wait time.Duration) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y taken) int { return cmp.Compare(x.at.UnixNano(), y.at.UnixNano()) })
	list = slices.DeleteFunc(list, func(x taken) bool { return !x.at.After(now.Add(-r.Window)) })
	for _, x := range list {
		sum += x.amount
	}
	left := sum
	for _, x := range list {
		if left <= r.Limit-r.Amount {
			break
		}
		left -= x.amount
		wait = x.at.Add(r.Window).Sub(now)
	}
	return sum, wait
}

// The sum and the time to wait are those of the single reservations, in windows of all
// lengths, whatever was given back or has been deleted since.
func budgetsMany(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	random := rand.New(rand.NewPCG(1, 2)) // the test must be the same each time
	var model []taken
	const month = 31 * 24 * time.Hour
	for n := range 600 {
		age := time.Duration(random.Int64N(int64(month) >> random.IntN(40))) // many are close to noon
		x := taken{at: noon.Add(-age), amount: random.Int64N(1000) * 1000, id: aureus.NewDecisionID(noon)}
		if n%10 == 0 && n > 0 {
			x.at = model[n-1].at // at the very same time
		}
		model = append(model, x)
	}
	write(t, db, func(tx storage.Tx) error {
		for _, x := range model {
			if err := tx.Policies().Reserve("t", x.at, x.id, []storage.Reservation{{Budget: "b", Key: "k", Window: month, Amount: x.amount}}); err != nil {
				return err
			}
			if err := tx.Policies().Reserve("t", x.at, x.id, []storage.Reservation{{Budget: "b", Key: "other", Window: month, Amount: 1}}); err != nil {
				return err
			}
		}
		return nil
	})
	compare := func() {
		t.Helper()
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			for range 100 {
				now := noon.Add(time.Duration(random.Int64N(int64(time.Hour))))
				r := storage.Reservation{Budget: "b", Key: "k", Window: time.Duration(1 + random.Int64N(int64(month)>>random.IntN(40)))}
				sum, _ := used(model, now, r)
				if sum == 0 {
					continue
				}
				r.Limit = random.Int64N(sum)
				r.Amount = random.Int64N(r.Limit + 1)
				_, wait := used(model, now, r)
				exceeded, err := tx.Policies().Room("t", now, []storage.Reservation{r})
				if err != nil {
					return err
				}
				require.Equal(t, []storage.Exceeded{{Used: sum, RetryAfter: wait}}, exceeded, "%+v", r)
				r.Limit = sum + r.Amount
				exceeded, err = tx.Policies().Room("t", now, []storage.Reservation{r})
				if err != nil {
					return err
				}
				require.Empty(t, exceeded)
			}
			return nil
		}))
	}
	compare()
	for range 50 {
		n := random.IntN(len(model))
		write(t, db, func(tx storage.Tx) error { return tx.Policies().Release("t", model[n].id) })
		model = slices.Delete(model, n, n+1)
	}
	compare()
	write(t, db, func(tx storage.Tx) error {
		_, err := tx.Policies().Prune(noon.Add(month/2), 1000)
		return err
	})
	model = slices.DeleteFunc(model, func(x taken) bool { return x.at.Add(month).Before(noon.Add(month / 2)) })
	compare()
}

// The sum of many windows with the largest amounts does not exceed what can be stored.
func budgetsLargest(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	largest := storage.Reservation{Budget: "b", Window: time.Second, Amount: 4e18, Limit: 4e18}
	for n := range 5 {
		at := noon.Add(time.Duration(n) * time.Second)
		require.Empty(t, room(t, db, "t", at, largest))
		reserve(t, db, "t", at, aureus.NewDecisionID(at), largest)
		require.Equal(t, []storage.Exceeded{{Used: 4e18, RetryAfter: time.Second}}, room(t, db, "t", at, largest))
	}
	longer := largest
	longer.Window = time.Hour // as a later version of the bundle may have it
	exceeded := room(t, db, "t", noon.Add(4*time.Second), longer)
	require.Len(t, exceeded, 1)
	require.EqualValues(t, 1<<63-1, exceeded[0].Used, "the largest number")
	require.Positive(t, exceeded[0].RetryAfter)
}
