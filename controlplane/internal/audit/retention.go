package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/reported"
)

// pruneEvery is how often Retention.Run calls Prune.
const pruneEvery = time.Hour

// Retention deletes decisions, outcomes and approvals that ended longer than Keep ago,
// reservations of budgets that have left their window, inputs of decisions that were
// stored longer than KeepInputs ago, and outcomes without a decision that are so old that
// their decision would be refused. It does not delete entries of the audit log. Every field must be set.
type Retention struct {
	Store storage.Store
	Now   func() time.Time
	Log   *slog.Logger
	Keep  time.Duration

	// KeepInputs is how long the inputs of decisions are kept.
	KeepInputs time.Duration
}

// Run calls Prune every hour until ctx ends.
func (r Retention) Run(ctx context.Context) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			r.Prune(ctx)
		}
	}
}

// Prune deletes everything that is due. An error is logged, and the next call tries
// again.
func (r Retention) Prune(ctx context.Context) {
	now := r.Now()
	n, err := storage.Prune(ctx, r.Store, storage.Retention{Now: now, Ended: now.Add(-r.Keep), Early: now.Add(-reported.MaxAge - reported.MaxAhead), Inputs: now.Add(-r.KeepInputs)})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.Log.WarnContext(ctx, "deleting records past their retention failed; it is tried again in an hour", slog.Any("error", err))
	case n > 0:
		r.Log.InfoContext(ctx, "deleted records past their retention", slog.Int64("rows", n))
	}
}
