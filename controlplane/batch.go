package controlplane

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/jsonscan"
)

// maxBatchItems bounds the items of one batch.
const maxBatchItems = 10_000

// refusal is why one item of a batch was not taken; the others are.
type refusal string

func (r refusal) Error() string { return string(r) }

type batchAnswer struct {
	Accepted int                `json:"accepted"`
	Rejected []aureus.Rejection `json:"rejected"`
}

// batchPortion is how many items are written in one transaction, so that a long
// batch does not hold up decisions.
const batchPortion = 500

// recordBatch gives each item of the body to record. An item that is refused
// leaves the others alone. Any other error ends the batch: what was written
// before it stays, and recording it again does no harm (SPEC 1.4, batch).
func (s *Server) recordBatch(w http.ResponseWriter, r *http.Request, record func(*store.Tx, []byte, time.Time) error) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	items, err := telemetry.Split(body, maxBatchItems)
	if err != nil {
		return badArray(err)
	}
	answer := batchAnswer{Rejected: []aureus.Rejection{}}
	for first := 0; first < len(items); first += batchPortion {
		var part batchAnswer
		err = s.db.Write(r.Context(), func(t *store.Tx) error {
			part = batchAnswer{}
			for i, item := range items[first:min(first+batchPortion, len(items))] {
				err := record(t, item, s.config.Now())
				if why, refused := errors.AsType[refusal](err); refused {
					part.Rejected = append(part.Rejected, aureus.Rejection{Index: first + i, Reason: string(why)})
					continue
				}
				if err != nil {
					return err
				}
				part.Accepted++
			}
			return nil
		})
		if err != nil {
			return err
		}
		answer.Accepted += part.Accepted
		answer.Rejected = append(answer.Rejected, part.Rejected...)
	}
	writeJSON(w, http.StatusOK, answer)
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
