package runs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// List returns the selected runs of the tenant for an operator, the newest first, without
// their tasks, and where the next page begins: the Before of its filter, or 0 if no run is
// left.
func (s *Service) List(ctx context.Context, tenant string, f storage.RunFilter) (list []aureus.WorkflowStatus, next int64, err error) {
	limit := f.Limit
	f.Limit++
	var heads []storage.RunHead
	if err := s.config.Store.ViewLong(ctx, tenant, func(t storage.Tx) (err error) {
		heads, err = t.Runs().List(tenant, f)
		return err
	}); err != nil {
		return nil, 0, err
	}
	if len(heads) > limit {
		heads = heads[:limit]
		next = heads[limit-1].Seq
	}
	for _, head := range heads {
		state := workflow.State{}
		if err := strictjson.Unmarshal([]byte(head.State), &state); err != nil {
			return nil, 0, fmt.Errorf("reading the run %s: %w", head.ID, err)
		}
		one := aureus.WorkflowStatus{
			WorkflowID: head.WorkflowID, RunID: head.ID, Status: state.Status, CurrentTask: state.Current, Error: state.Error,
			Subject: head.Subject, StartedAt: aureus.TimestampOf(head.StartedAt),
		}
		if state.CompletedAt != 0 {
			one.CompletedAt = aureus.TimestampOf(time.Unix(0, state.CompletedAt))
		}
		list = append(list, one)
	}
	return list, next, nil
}

// Run returns the workflow and the progress of one run of the tenant for an operator, and
// charges the request for its memory. If there is none, the error is the response with
// status 404.
func (s *Service) Run(r *http.Request, tenant, id string) (spec aureus.WorkflowSpec, status aureus.WorkflowStatus, err error) {
	var stored storage.Run
	err = s.config.Store.View(r.Context(), func(t storage.Tx) (err error) {
		stored, err = t.Runs().Get(tenant, id)
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		err = web.NotFound("run")
	}
	if err != nil {
		return spec, status, err
	}
	one, err := read(r, stored)
	if err != nil {
		return spec, status, err
	}
	status, err = s.statusOf(r.Context(), one)
	return one.request.Workflow, status, err
}

// read parses a stored run, and charges the request for its memory. A large one waits for
// its turn.
func read(r *http.Request, stored storage.Run) (*run, error) {
	if size := storedSize(stored); size > web.LongBody {
		account := web.Account(r)
		if err := account.Charge(3 * size); err != nil { // for the texts, the decoded values, and the response
			return nil, web.CapacityError(err)
		}
		if err := account.Work(r.Context()); err != nil {
			return nil, web.CapacityError(err)
		}
	}
	return loadRun(stored)
}
