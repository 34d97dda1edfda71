package webhooks

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const (
	concurrency = 4  // requests to one webhook at the same time
	batch       = 16 // messages that are read at once
	pollEvery   = time.Second
	firstRetry  = 5 * time.Second
	lastRetry   = time.Hour
)

// Service delivers the messages of the outbox. Set its fields before Run.
type Service struct {
	Config Config // has been checked
	Store  storage.Store
	Now    func() time.Time
	Log    *slog.Logger

	once sync.Once
	wake map[string]chan struct{} // by name of the webhook
}

func (s *Service) init() {
	s.once.Do(func() {
		s.wake = map[string]chan struct{}{}
		for _, h := range s.Config.Hooks {
			s.wake[h.Name] = make(chan struct{}, 1)
		}
	})
}

// Notify says that the tenant's audit log has new entries. It does not block.
func (s *Service) Notify(tenant string) {
	s.init()
	for _, h := range s.Config.Hooks {
		if h.Tenant != tenant {
			continue
		}
		select {
		case s.wake[h.Name] <- struct{}{}:
		default: // it is awake
		}
	}
}

// Run delivers messages until ctx ends. Each webhook has a goroutine of its own, and at
// most 4 requests at a time, so that a slow one delays no other.
func (s *Service) Run(ctx context.Context) {
	s.init()
	var running sync.WaitGroup
	for _, h := range s.Config.Hooks {
		running.Go(func() { s.runHook(ctx, h) })
	}
	running.Go(func() { s.tidy(ctx) })
	running.Wait()
}

func (s *Service) runHook(ctx context.Context, h Hook) {
	sender, err := NewSender(s.Config, h)
	if err != nil { // cannot happen: the configuration has been checked
		s.Log.ErrorContext(ctx, "a webhook cannot be used", slog.String("webhook", h.Name), slog.Any("error", err))
		return
	}
	defer sender.Close()
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		for more := true; more && ctx.Err() == nil; {
			more = s.deliverDue(ctx, h, sender)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.wake[h.Name]:
		}
	}
}

// deliverDue sends the messages that are due, at most 16. It returns whether more may be
// due: never after a failure of the store, so that a message whose delivery cannot be
// stored is not sent again at once.
func (s *Service) deliverDue(ctx context.Context, h Hook, sender *Sender) (more bool) {
	var due []storage.Message
	err := s.Store.View(ctx, func(t storage.Tx) (err error) {
		due, err = t.Outbox().Due(h.Name, s.Now(), batch)
		return err
	})
	if err != nil {
		s.logStore(ctx, "reading the messages of a webhook failed", h, err)
		return false
	}
	var mu sync.Mutex
	more = len(due) == batch
	queue := make(chan storage.Message, len(due))
	for _, m := range due {
		queue <- m
	}
	close(queue)
	var sending sync.WaitGroup
	for range min(concurrency, len(due)) {
		sending.Go(func() {
			for m := range queue {
				if s.deliver(ctx, h, sender, m) == nil {
					continue
				}
				mu.Lock()
				more = false
				mu.Unlock()
			}
		})
	}
	sending.Wait()
	return more
}

// deliver sends one message and stores the result. It returns only failures of the store.
func (s *Service) deliver(ctx context.Context, h Hook, sender *Sender, m storage.Message) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	failure := check(h, m)
	if failure == nil {
		failure = sender.Send(ctx, m, s.Now())
	}
	if ctx.Err() != nil && failure != nil { // the server ends: this was no attempt
		return context.Cause(ctx)
	}
	// The result is stored even if the server ends now.
	err := s.Store.Update(context.WithoutCancel(ctx), func(t storage.Tx) error {
		if failure == nil {
			return t.Outbox().Delivered(m)
		}
		return t.Outbox().Failed(after(m, failure, s.Now()))
	})
	if err != nil {
		s.logStore(ctx, "the result of a webhook's message was not stored; it is sent again", h, err)
		return err
	}
	if failure != nil {
		s.logFailure(ctx, h, after(m, failure, s.Now()))
	}
	return nil
}

// check refuses a message that was changed outside of the server, and one of another
// tenant: the webhook was configured for that one before.
func check(h Hook, m storage.Message) error {
	switch {
	case m.MAC == nil:
		return &Failure{Message: m.Error + ", so it is not sent", Gone: true}
	case m.Tenant != h.Tenant:
		return &Failure{Message: "the webhook is of another tenant now", Gone: true}
	}
	return nil
}

// after returns the message after a failed attempt.
func after(m storage.Message, err error, now time.Time) storage.Message {
	m.Attempts++
	m.Error = clip(redact.Visible(err.Error()))
	wait := backoff(m.Attempts)
	if failure, ok := errors.AsType[*Failure](err); ok {
		wait = max(wait, failure.RetryAfter)
		m.Dead = failure.Gone
	}
	m.Due = now.Add(wait)
	if m.Dead = m.Dead || now.After(m.GiveUp); m.Dead {
		m.Due = now
	}
	return m
}

// backoff returns how long to wait after that many failures: 5 seconds, and twice as long
// after each further failure, up to an hour, of which a random half is left out.
func backoff(attempts int) time.Duration {
	wait := lastRetry
	if attempts < 12 {
		wait = min(firstRetry<<(max(attempts, 1)-1), lastRetry)
	}
	return wait/2 + rand.N(wait/2) //nolint:gosec // it only spreads the attempts
}

// clip shortens a text to what the store keeps.
func clip(text string) string {
	if len(text) <= storage.MaxOutboxError {
		return text
	}
	end := storage.MaxOutboxError
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end]
}

func (s *Service) logStore(ctx context.Context, message string, h Hook, err error) {
	if ctx.Err() == nil {
		s.Log.WarnContext(ctx, message, slog.String("webhook", h.Name), slog.Any("error", err))
	}
}

// logFailure logs the first failure of a message, and that it is given up.
func (s *Service) logFailure(ctx context.Context, h Hook, m storage.Message) {
	attributes := []any{slog.String("webhook", h.Name), slog.String("id", m.ID), slog.String("kind", m.Kind), slog.Int("attempts", m.Attempts), slog.String("error", m.Error)}
	switch {
	case m.Dead:
		s.Log.ErrorContext(ctx, "a webhook's message was given up; see aureus webhooks list", attributes...)
	case m.Attempts == 1:
		s.Log.WarnContext(ctx, "a webhook's message was not delivered; it is tried again", attributes...)
	default:
		s.Log.DebugContext(ctx, "a webhook's message was not delivered again", attributes...)
	}
}
