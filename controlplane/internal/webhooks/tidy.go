package webhooks

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	tidyEvery = time.Minute
	keepDead  = 30 * 24 * time.Hour
	tidyStep  = 1000 // messages in one transaction
)

// tidy gives up the messages of webhooks that are not configured any more, deletes old
// dead messages, and logs how many were dropped, until ctx ends.
func (s *Service) tidy(ctx context.Context) {
	dropped := map[string]int64{}
	s.logDropped(ctx, dropped, false)
	s.giveUpUnknown(ctx)
	ticker := time.NewTicker(tidyEvery)
	defer ticker.Stop()
	for {
		s.pruneDead(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.logDropped(ctx, dropped, true)
	}
}

// giveUpUnknown makes the messages dead whose webhooks are not configured.
func (s *Service) giveUpUnknown(ctx context.Context) {
	var names []string
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		names, err = t.Outbox().Webhooks()
		return err
	})
	for _, name := range names {
		if slices.ContainsFunc(s.Config.Hooks, func(h Hook) bool { return h.Name == name }) {
			continue
		}
		for more := true; more && err == nil; {
			err = s.Store.Update(ctx, func(t storage.Tx) error {
				list, err := t.Outbox().Due(name, s.Now().Add(2*Lifetime), tidyStep)
				more = len(list) == tidyStep
				for _, m := range list {
					m.Dead, m.Due, m.Error = true, s.Now(), "no webhook of this name is configured"
					if err == nil {
						err = t.Outbox().Failed(m)
					}
				}
				return err
			})
		}
		if err == nil {
			s.Log.WarnContext(ctx, "messages wait for a webhook that is not configured; they were given up: see aureus webhooks list", slog.String("webhook", name))
		}
	}
	if err != nil {
		s.logStore(ctx, "giving up the messages of webhooks that are not configured failed", Hook{}, err)
	}
}

func (s *Service) pruneDead(ctx context.Context) {
	for n := int64(tidyStep); n == tidyStep; {
		err := s.Store.Update(ctx, func(t storage.Tx) (err error) {
			n, err = t.Outbox().PruneDead(s.Now().Add(-keepDead), tidyStep)
			return err
		})
		if err != nil {
			s.logStore(ctx, "deleting old messages of webhooks failed", Hook{}, err)
			return
		}
	}
}

// logDropped logs how many messages were dropped since the last call.
func (s *Service) logDropped(ctx context.Context, before map[string]int64, log bool) {
	var counts []storage.OutboxCounts
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		counts, err = t.Outbox().Counts()
		return err
	})
	if err != nil {
		s.logStore(ctx, "counting the messages of webhooks failed", Hook{}, err)
		return
	}
	for _, c := range counts {
		if n := c.Dropped - before[c.Webhook]; log && n > 0 {
			s.Log.ErrorContext(ctx, "messages of a webhook were dropped, because its outbox is full", slog.String("webhook", c.Webhook), slog.Int64("messages", n))
		}
		before[c.Webhook] = c.Dropped
	}
}
