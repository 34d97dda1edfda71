package observe

import (
	"context"
	"fmt"
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// MaxBatchItems limits the items of one batch.
const MaxBatchItems = 10_000

type batchResponse = wire.BatchResponse[aureus.Rejection]

// reportOne answers a report of a single item: 200 after it is committed, 400 or
// 422 if it is not a valid item of the kind.
func (s *Service) reportOne(kind telemetry.Kind) web.Handler {
	return func(w http.ResponseWriter, r *http.Request, c web.Caller) error {
		body, err := web.ReadBody(r)
		if err != nil {
			return s.refuse(c, kind, err)
		}
		if len(body) > telemetry.MaxItem {
			return s.refuse(c, kind, web.Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge,
				fmt.Sprintf("an item must not be larger than %d bytes", telemetry.MaxItem), web.WithRemediation("Report less in one item.")))
		}
		if err := web.Account(r).Charge(governor.Weigh(body)); err != nil {
			return s.deferred(c, kind, 1, web.CapacityError(err))
		}
		item, err := telemetry.Read(kind, body)
		if err != nil {
			return s.refuse(c, kind, web.BadBody(err))
		}
		if err := s.store(r.Context(), c.Tenant, kind, []telemetry.Item{item}); err != nil {
			return err
		}
		web.WriteJSON(w, http.StatusOK, batchResponse{Accepted: 1, Rejected: []aureus.Rejection{}})
		return nil
	}
}

// refuse counts a refused report and returns err.
func (s *Service) refuse(c web.Caller, kind telemetry.Kind, err error) error {
	s.reports.of(c.Tenant).refused[kind].Add(1)
	return err
}

// reportBatch answers a report of an array of items. The valid ones are stored in
// one transaction; the response names each invalid one with the reason.
func (s *Service) reportBatch(kind telemetry.Kind) web.Handler {
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
		response := batchResponse{Rejected: []aureus.Rejection{}}
		for i, text := range texts {
			item, err := telemetry.Read(kind, text)
			if err != nil {
				response.Rejected = append(response.Rejected, aureus.Rejection{Index: i, Reason: jsonvalue.Clip(err.Error(), MaxRejection)})
				continue
			}
			items = append(items, item)
		}
		account.Refund(transient)
		account.Rest() // other requests may use the processor while this one waits for the disk
		if err := s.store(r.Context(), c.Tenant, kind, items); err != nil {
			return err
		}
		s.reports.of(c.Tenant).refused[kind].Add(int64(len(response.Rejected)))
		response.Accepted = len(items)
		web.WriteJSON(w, http.StatusOK, response)
		return nil
	}
}

// deferred counts items that the server could not store now, and returns err.
func (s *Service) deferred(c web.Caller, kind telemetry.Kind, items int, err error) error {
	s.reports.of(c.Tenant).deferred[kind].Add(int64(items))
	return err
}

// itemBytes is the memory that an item takes besides its text until it is written.
const itemBytes = 512

// chargeItems charges the account for the items of a batch: for copies of their
// texts, which are kept until they are written, and for decoding. Items are decoded
// one after the other, so decoding is charged once, for the item that takes the
// most memory. The caller gives that part, transient, back after decoding.
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

// MaxRejection limits the reason why an item of a batch was refused, in bytes. A
// longer reason is cut.
const MaxRejection = 1000

// store appends the items and returns after they are committed.
func (s *Service) store(ctx context.Context, tenant string, kind telemetry.Kind, items []telemetry.Item) error {
	if err := s.Telemetry.Append(ctx, tenant, items); err != nil {
		s.reports.of(tenant).deferred[kind].Add(int64(len(items)))
		return telemetryProblem(err)
	}
	s.reports.of(tenant).accepted[kind].Add(int64(len(items)))
	return nil
}

// Report stores events of the control plane itself, and returns after they are
// committed.
func (s *Service) Report(ctx context.Context, tenant string, events ...aureus.TelemetryEvent) error {
	items := make([]telemetry.Item, 0, len(events))
	for _, event := range events {
		event.Source = vocab.SourceServer
		text, err := strictjson.MarshalText(event)
		if err != nil {
			return fmt.Errorf("controlplane: an event of the server has no JSON form: %w", err)
		}
		item, err := telemetry.ReadOwn(text)
		if err != nil {
			return fmt.Errorf("controlplane: an event of the server is invalid: %w", err)
		}
		items = append(items, item)
	}
	return s.store(ctx, tenant, telemetry.Events, items)
}
