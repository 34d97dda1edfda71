package observe

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// reportCounters counts what the tenants reported. The published client never
// looks at the answer to a report, so refusals show here: see writeMetrics. There
// are no more tenants than keys name. The zero value is ready.
type reportCounters struct{ byTenant sync.Map }

// reportCounts are those of one tenant, by kind.
type reportCounts struct {
	accepted, refused, deferred [len(telemetry.Kinds) + 1]atomic.Int64
}

func (r *reportCounters) of(tenant string) *reportCounts {
	found, ok := r.byTenant.Load(tenant)
	if !ok {
		found, _ = r.byTenant.LoadOrStore(tenant, new(reportCounts))
	}
	counts, _ := found.(*reportCounts) // nothing else is stored
	return counts
}

// MaxBatchItems limits the items of one batch.
const MaxBatchItems = 10_000

type batchResponse = wire.BatchResponse[aureus.Rejection]

// takeOne stores a single item: 200 when it is committed, 400 and 422 for what
// is none.
func (s *Service) takeOne(kind telemetry.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		body, err := web.ReadBody(r)
		if err != nil {
			return s.refuse(c, kind, err)
		}
		if len(body) > telemetry.MaxItem {
			return s.refuse(c, kind, web.Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge,
				fmt.Sprintf("an item may have %d bytes", telemetry.MaxItem), web.WithRemediation("Report less in one item.")))
		}
		if err := web.Account(r).Charge(governor.Weigh(body)); err != nil {
			return s.deferred(c, kind, 1, web.CapacityError(err))
		}
		item, err := telemetry.Read(kind, body)
		if err != nil {
			return s.refuse(c, kind, web.BadBody(err))
		}
		if err := s.keep(r.Context(), c.Tenant, kind, []telemetry.Item{item}); err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, batchResponse{Accepted: 1, Rejected: []aureus.Rejection{}})
		return nil
	}
}

func (s *Service) refuse(c web.Caller, kind telemetry.Kind, err error) error {
	s.reports.of(c.Tenant).refused[kind].Add(1)
	return err
}

// takeBatch stores the items of an array, all that can be read in one
// transaction, and says of the others why not.
func (s *Service) takeBatch(kind telemetry.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		body, err := web.ReadBody(r)
		if err != nil {
			return s.refuse(c, kind, err)
		}
		texts, err := jsonvalue.Split(body, MaxBatchItems)
		if err != nil {
			return s.refuse(c, kind, web.BadArray(err, MaxBatchItems))
		}
		account := web.Account(r)
		transient, err := chargeItems(account, texts)
		if err != nil {
			return s.deferred(c, kind, len(texts), web.CapacityError(err))
		}
		items := make([]telemetry.Item, 0, len(texts))
		answer := batchResponse{Rejected: []aureus.Rejection{}}
		for i, text := range texts {
			item, err := telemetry.Read(kind, text)
			if err != nil {
				answer.Rejected = append(answer.Rejected, aureus.Rejection{Index: i, Reason: jsonvalue.Clip(err.Error(), MaxRejection)})
				continue
			}
			items = append(items, item)
		}
		account.Refund(transient)
		account.Rest() // waiting for the disk is no work
		if err := s.keep(r.Context(), c.Tenant, kind, items); err != nil {
			return err
		}
		s.reports.of(c.Tenant).refused[kind].Add(int64(len(answer.Rejected)))
		answer.Accepted = len(items)
		web.WriteJSON(w, http.StatusOK, answer)
		return nil
	}
}

// deferred counts items that could not be taken now.
func (s *Service) deferred(c web.Caller, kind telemetry.Kind, items int, err error) error {
	s.reports.of(c.Tenant).deferred[kind].Add(int64(items))
	return err
}

// itemBytes is what is kept of an item beside its text, until it is written.
const itemBytes = 512

// chargeItems charges for the items of a batch until they are written: for their
// texts, which are copied, and what is indexed. transient is what reading the one
// that decodes into most takes for a moment; they are read one after the other.
func chargeItems(account *governor.Account, texts [][]byte) (transient int64, err error) {
	kept := int64(0)
	for _, text := range texts {
		kept += int64(len(text)) + itemBytes
		if len(text) <= telemetry.MaxItem {
			transient = max(transient, governor.Weigh(text))
		}
	}
	return transient, account.Charge(kept + transient)
}

// MaxRejection is the limit of the reason why an item was refused, in bytes. A
// reason lists problems and names members of the item.
const MaxRejection = 1000

// keep appends the items and returns when they are committed.
func (s *Service) keep(ctx context.Context, tenant string, kind telemetry.Kind, items []telemetry.Item) error {
	if err := s.Telemetry.Append(ctx, tenant, items); err != nil {
		s.reports.of(tenant).deferred[kind].Add(int64(len(items)))
		return telemetryProblem(err)
	}
	s.reports.of(tenant).accepted[kind].Add(int64(len(items)))
	return nil
}

// Report stores events that the server itself makes, and returns when
// they are committed.
func (s *Service) Report(ctx context.Context, tenant string, events ...aureus.TelemetryEvent) error {
	items := make([]telemetry.Item, 0, len(events))
	for _, event := range events {
		event.Source = vocab.SourceServer
		text, err := strictjson.MarshalText(event)
		if err != nil {
			return fmt.Errorf("controlplane: an event has no JSON form: %w", err)
		}
		item, err := telemetry.ReadOwn(text)
		if err != nil {
			return fmt.Errorf("controlplane: an event is not one: %w", err)
		}
		items = append(items, item)
	}
	return s.keep(ctx, tenant, telemetry.Events, items)
}

// telemetryProblem is the answer for an error of the telemetry store. Those of a
// context stay what they are.
func telemetryProblem(err error) error {
	const lasting = "If it lasts, look at the server's log, the free space of its disk and the permissions of its files."
	switch {
	case errors.Is(err, telemetry.ErrBusy):
		return web.Problem(http.StatusTooManyRequests, wire.CodeExhausted, "more telemetry is waiting to be written than the server holds; nothing was stored",
			web.WithRemediation("Report it again after the time in Retry-After, in larger batches if you can."), web.WithRetryAfter(time.Second))
	case errors.Is(err, telemetry.ErrClosed):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the server is shutting down", web.WithRetryAfter(time.Second))
	case errors.Is(err, telemetry.ErrDiskFull):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the disk of the telemetry store is full; nothing was stored",
			web.WithRemediation("Report it again later. The server needs space on its disk."), web.WithRetryAfter(10*time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrReadOnly):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the telemetry store may not be written; nothing was stored",
			web.WithRemediation("Report it again later. The server's telemetry file is read-only."), web.WithRetryAfter(10*time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrUnavailable):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the telemetry store cannot be reached",
			web.WithRemediation("Try again. "+lasting), web.WithRetryAfter(time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrCursor):
		return web.BadQuery("cursor", "is none of this server's; begin without one")
	case errors.Is(err, telemetry.ErrTooManyTypes):
		return web.Problem(http.StatusUnprocessableEntity, wire.CodeExhausted, "the events have more task types than one summary lists",
			web.WithRemediation("Ask for a shorter range."), web.WithCause(err))
	default:
		return err
	}
}
