package controlplane

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/strictjson"
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

// recordBatch gives each item of the body to record, all in one transaction. An
// item that is refused leaves the others alone; any other error takes the whole
// batch back (SPEC 1.4, batch).
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
	err = s.db.Write(r.Context(), func(t *store.Tx) error {
		for i, item := range items {
			err := record(t, item, s.config.Now())
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
	writeJSON(w, http.StatusOK, answer)
	return nil
}

func decodeItem(item []byte, v any) error {
	if string(item) == "null" {
		return refusal("must not be null")
	}
	if err := strictjson.Unmarshal(item, v); err != nil {
		return refusal(err.Error())
	}
	return nil
}
