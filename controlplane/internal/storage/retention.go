package storage

import (
	"context"
	"time"
)

// PruneRows bounds how many rows one transaction deletes, since others wait for it.
const PruneRows = 500

// Retention says until when things are kept.
type Retention struct {
	Ended time.Time // decisions, outcomes and approvals that ended before this are deleted
	Early time.Time // outcomes whose decision has not come by this are deleted
}

// Prune deletes what is no longer kept, of every tenant, some in each transaction,
// and gives the number of rows. The audit log still describes what was deleted,
// until that part of the log is archived.
func Prune(ctx context.Context, s Store, r Retention) (int64, error) {
	n, err := untilNone(ctx, s, func(t Tx) (int64, error) { return t.Decisions().Prune(r, PruneRows) })
	if err != nil {
		return n, err
	}
	approvals, err := untilNone(ctx, s, func(t Tx) (int64, error) { return t.Approvals().Prune(r.Ended, PruneRows) })
	return n + approvals, err
}

// PruneArchived deletes the audit entries of the tenant that are archived, some in
// each transaction, and gives their number.
func PruneArchived(ctx context.Context, s Store, tenant string) (int64, error) {
	return untilNone(ctx, s, func(t Tx) (int64, error) { return t.Audit().PruneArchived(tenant, PruneRows) })
}

// untilNone calls prune in one transaction after the other until it deletes
// nothing, and gives the sum.
func untilNone(ctx context.Context, s Transactions, prune func(Tx) (int64, error)) (all int64, err error) {
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
