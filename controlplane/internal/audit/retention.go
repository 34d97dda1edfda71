package audit

import (
	"context"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/reported"
)

// pruneEvery is how often Retention.Run deletes.
const pruneEvery = time.Hour

// Retention deletes decisions, outcomes and approvals that have ended longer ago
// than Keep, and outcomes whose decision can no longer come. Every field must be
// set.
type Retention struct {
	Store storage.Store
	Now   func() time.Time
	Log   *slog.Logger
	Keep  time.Duration
}

// Run deletes every hour until ctx ends.
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

// Prune deletes once. An error is logged: the next time tries again.
func (r Retention) Prune(ctx context.Context) {
	now := r.Now()
	n, err := storage.Prune(ctx, r.Store, storage.Retention{Ended: now.Add(-r.Keep), Early: now.Add(-reported.MaxAge - reported.MaxAhead)})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		r.Log.WarnContext(ctx, "records past their retention could not be deleted; the next try is in an hour", slog.Any("error", err))
	case n > 0:
		r.Log.InfoContext(ctx, "deleted records past their retention", slog.Int64("rows", n))
	}
}
