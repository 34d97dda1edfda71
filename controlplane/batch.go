package controlplane

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/wire"
)

// maxBatchItems bounds the items of one batch of telemetry. maxRecords is for
// the audit log, whose one writer decisions wait for: it is as many as the
// client sends at once.
const (
	maxBatchItems = 10_000
	maxRecords    = 2048
)

// refusal is why one item of a batch was not taken; the others are.
type refusal string

func (r refusal) Error() string { return string(r) }

type batchResponse = wire.BatchResponse[aureus.Rejection]

// recording writes down one item of a batch.
type recording func(t storage.Tx, now time.Time) error

// recordBatch reads each item of the body, and writes what it read in one
// transaction: all of it stands once it is answered, and nothing after any other
// answer. An item that is refused, when it is read or when it is written, leaves
// the others alone. Reading comes before the transaction, which decisions wait
// for.
func (s *Server) recordBatch(w http.ResponseWriter, r *http.Request, c web.Caller, read func(item []byte) (recording, error)) error {
	body, err := web.ReadBody(r)
	if err != nil {
		return err
	}
	items, err := jsonvalue.Split(body, maxRecords)
	if err != nil {
		return badArray(err, maxRecords)
	}
	if err := web.Account(r).Charge(governor.Weigh(body)); err != nil {
		return web.CapacityError(err)
	}
	records := make([]recording, len(items))
	for i, item := range items {
		record, err := read(item)
		if why, refused := errors.AsType[refusal](err); refused {
			record = func(storage.Tx, time.Time) error { return why }
		} else if err != nil {
			return err
		}
		records[i] = record
	}
	var answer batchResponse
	err = s.db.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		answer = batchResponse{Rejected: []aureus.Rejection{}}
		now := s.config.Now()
		for i, record := range records {
			err := record(t, now)
			if why, refused := errors.AsType[refusal](err); refused {
				answer.Rejected = append(answer.Rejected, aureus.Rejection{Index: i, Reason: string(why)})
				continue
			}
			if err != nil {
				return err
			}
			answer.Accepted++
		}
		return nil
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, answer)
	return nil
}

func decodeItem(item []byte, v any) error {
	if string(item) == "null" {
		return refusal("must not be null")
	}
	if err := jsonscan.Unmarshal(item, v); err != nil {
		return refusal(err.Error())
	}
	return nil
}
