package storage

import (
	"context"
	"time"
)

// PruneRows is how many rows one transaction deletes at most, so that other
// transactions do not wait long.
const PruneRows = 500

// Retention holds the times before which rows are deleted.
type Retention struct {
	Ended time.Time // for decisions, outcomes, and approvals that have ended
	Now   time.Time // reservations of budgets that no longer count are deleted; zero keeps all
	Early time.Time // for early outcomes, whose decision was never reported

	// Inputs is the time for the inputs of decisions; zero keeps all.
	Inputs time.Time
}

// Prune deletes the rows of all tenants that the retention no longer keeps, in
// several transactions, and returns their number. The audit log still describes
// them, until that part of it is archived and deleted.
func Prune(ctx context.Context, s Store, r Retention) (int64, error) {
	n, err := pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Decisions().Prune(r, PruneRows) })
	if err != nil {
		return n, err
	}
	approvals, err := pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Approvals().Prune(r.Ended, PruneRows) })
	if err != nil {
		return n + approvals, err
	}
	reservations, err := pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Policies().Prune(r.Now, PruneRows) })
	if err != nil {
		return n + approvals + reservations, err
	}
	inputs, err := PruneInputs(ctx, s, "", r.Inputs)
	return n + approvals + reservations + inputs, err
}

// PruneInputs deletes the inputs of decisions that were stored before the time, of one
// tenant, or of all if it is empty, in several transactions. It returns their number.
func PruneInputs(ctx context.Context, s Store, tenant string, before time.Time) (int64, error) {
	return pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Audit().PruneInputs(tenant, before, PruneRows) })
}

// PruneArchived deletes the archived audit entries of the tenant, in several
// transactions, and returns their number.
func PruneArchived(ctx context.Context, s Store, tenant string) (int64, error) {
	return pruneAll(ctx, s, func(t Tx) (int64, error) { return t.Audit().PruneArchived(tenant, PruneRows) })
}

// pruneAll calls prune in one transaction after another until it deletes nothing,
// and returns the total.
func pruneAll(ctx context.Context, s Transactions, prune func(Tx) (int64, error)) (all int64, err error) {
	for {
		n := int64(0)
		err := s.Update(ctx, func(t Tx) (err error) {
			n, err = prune(t)
			return err
		})
		if err != nil {
			return all, err
		}
		if n == 0 {
			return all, nil
		}
		all += n
	}
}
