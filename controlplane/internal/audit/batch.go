package audit

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/jsonscan"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/wire"
)

// maxRecords limits the items of one batch, which decisions may have to wait for.
// It is as many as the client sends at once.
const maxRecords = 2048

// refusal is the reason why one item of a batch is rejected; the others are not.
type refusal string

func (r refusal) Error() string { return string(r) }

type batchResponse = wire.BatchResponse[aureus.Rejection]

// change records one item of a batch.
type change func(t storage.Tx, now time.Time) error

// postBatch reads each item of the body, and records the items in one transaction:
// where the response is a success all of them are on the disk, otherwise none. An item
// that is refused, when it is read or when it is recorded, does not affect the
// others. Items are read before the transaction, which decisions wait for.
func (s *Service) postBatch(w http.ResponseWriter, r *http.Request, c web.Caller, read func(item []byte) (change, error)) error {
	body, err := web.ReadBody(r)
	if err != nil {
		return err
	}
	items, err := jsonvalue.Split(body, maxRecords)
	if err != nil {
		return web.BadArray(err, maxRecords)
	}
	if err := web.Account(r).Charge(governor.Weigh(body)); err != nil {
		return web.CapacityError(err)
	}
	records := make([]change, len(items))
	for i, item := range items {
		record, err := read(item)
		if problem, refused := errors.AsType[refusal](err); refused {
			record = func(storage.Tx, time.Time) error { return problem }
		} else if err != nil {
			return err
		}
		records[i] = record
	}
	var response batchResponse
	err = s.Store.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		done := batchResponse{Rejected: []aureus.Rejection{}}
		now := s.Now()
		for i, record := range records {
			err := record(t, now)
			if problem, refused := errors.AsType[refusal](err); refused {
				done.Rejected = append(done.Rejected, aureus.Rejection{Index: i, Reason: string(problem)})
				continue
			}
			if err != nil {
				return err
			}
			done.Accepted++
		}
		response = done
		return nil
	})
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, response)
	return nil
}

// decodeItem decodes an item, and refuses one that is null or of another shape.
func decodeItem(item []byte, v any) error {
	if string(item) == "null" {
		return refusal("must not be null")
	}
	if err := jsonscan.Unmarshal(item, v); err != nil {
		return refusal(err.Error())
	}
	return nil
}

// checkNames applies a check to each name, and refuses the first that fails, in the
// order of their JSON pointers.
func checkNames(check func(string) string, names map[string]string) error {
	for _, pointer := range slices.Sorted(maps.Keys(names)) {
		if problem := check(names[pointer]); problem != "" {
			return refusal(pointer + ": " + problem)
		}
	}
	return nil
}
