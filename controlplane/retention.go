package controlplane

import (
	"context"
	"log/slog"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/reported"
)

// pruneEvery is how often what is no longer kept is deleted.
const pruneEvery = time.Hour

// keepPruning deletes what is no longer kept, every hour, until the server is
// closed.
func (s *Server) keepPruning() {
	s.pruning.Go(func() {
		ticker := time.NewTicker(pruneEvery)
		defer ticker.Stop()
		for {
			select {
			case <-s.web.Life().Done():
				return
			case <-ticker.C:
				s.prune(s.web.Life())
			}
		}
	})
}

// prune deletes decisions, outcomes and approvals that have ended longer ago than
// Config.Retention, and outcomes whose decision cannot come any more.
func (s *Server) prune(ctx context.Context) {
	now := s.config.Now()
	n, err := storage.Prune(ctx, s.db, storage.Retention{Ended: now.Add(-s.config.Retention), Early: now.Add(-reported.MaxAge - reported.MaxAhead)})
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.log.WarnContext(ctx, "what is no longer kept could not be deleted; it is tried again in an hour", slog.Any("error", err))
	case n > 0:
		s.log.InfoContext(ctx, "deleted what is no longer kept", slog.Int64("rows", n))
	}
}
