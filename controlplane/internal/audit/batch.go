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

// maxBatchItems limits the items of one batch, because decisions wait while it is
// stored. The client of package aureus sends no more than this at once.
const maxBatchItems = 2048

// refusal is the error of one item of a batch: the response lists it, and the other
// items are stored.
type refusal string

func (r refusal) Error() string { return string(r) }

type batchResponse = wire.BatchResponse[aureus.Rejection]

// storeItem stores one item of a batch in the transaction.
type storeItem func(t storage.Tx, now time.Time) error

// postBatch answers a request whose body is an array of items. read parses and checks
// one item, before the transaction, and returns the function that stores it. All
// items that are not refused are stored in one transaction: if the response is a
// success they are on the disk, otherwise none is. read and the function that it
// returns refuse an item by returning a refusal.
func (s *Service) postBatch(w http.ResponseWriter, r *http.Request, c web.Caller, read func(item []byte) (storeItem, error)) error {
	body, err := web.ReadBody(r)
	if err != nil {
		return err
	}
	items, err := jsonvalue.Split(body, maxBatchItems)
	if err != nil {
		return web.BadArray(err, maxBatchItems)
	}
	if err := web.Account(r).Charge(governor.Weigh(body)); err != nil {
		return web.CapacityError(err)
	}
	records := make([]storeItem, len(items))
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

// decodeItem decodes an item into v. It refuses null, and JSON that does not fit the
// type of v.
func decodeItem(item []byte, v any) error {
	if string(item) == "null" {
		return refusal("must not be null")
	}
	if err := jsonscan.Unmarshal(item, v); err != nil {
		return refusal(err.Error())
	}
	return nil
}

// checkNames applies check to each value of names, whose keys are JSON pointers. It
// refuses the item with the problem of the first pointer, in alphabetical order.
func checkNames(check func(string) string, names map[string]string) error {
	for _, pointer := range slices.Sorted(maps.Keys(names)) {
		if problem := check(names[pointer]); problem != "" {
			return refusal(pointer + ": " + problem)
		}
	}
	return nil
}
