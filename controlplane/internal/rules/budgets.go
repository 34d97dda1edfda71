package rules

import (
	"context"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/guard/policy"
)

// budgets implements [policy.Budgets] with the stored reservations of a tenant, for
// previews: it only reads. The transaction of a decision reserves; see [Reserve].
type budgets struct {
	store  storage.Transactions
	tenant string
}

var _ policy.Budgets = (*budgets)(nil)

// Check implements [policy.Budgets].
func (b *budgets) Check(ctx context.Context, at time.Time, list []policy.Reservation) (exceeded []policy.Exceeded, err error) {
	err = b.store.View(ctx, func(t storage.Tx) error {
		found, err := room(t, b.tenant, at, list)
		exceeded = found
		return err
	})
	return exceeded, err
}

var errOnlyPreviews = errors.New("budgets are reserved in the transaction of the decision")

// Reserve implements [policy.Budgets].
func (*budgets) Reserve(context.Context, aureus.DecisionID, time.Time, []policy.Reservation) ([]policy.Exceeded, error) {
	return nil, errOnlyPreviews
}

// Release implements [policy.Budgets].
func (*budgets) Release(context.Context, aureus.DecisionID) error { return errOnlyPreviews }

func room(t storage.Tx, tenant string, at time.Time, list []policy.Reservation) ([]policy.Exceeded, error) {
	found, err := t.Policies().Room(tenant, at, stored(list))
	exceeded := make([]policy.Exceeded, len(found))
	for i, e := range found {
		exceeded[i] = policy.Exceeded{Index: e.Index, Used: e.Used, RetryAfter: e.RetryAfter}
	}
	return exceeded, err
}

// stored converts reservations into the form in which they are stored.
func stored(list []policy.Reservation) []storage.Reservation {
	converted := make([]storage.Reservation, len(list))
	for i, r := range list {
		converted[i] = storage.Reservation{Budget: r.Budget, Key: r.Key, Window: r.Window, Amount: r.Amount, Limit: r.Limit}
	}
	return converted
}
