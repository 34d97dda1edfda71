package runs

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// status sends the progress of the latest visible run of the workflow.
func (s *Service) status(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	query, err := web.Query(r)
	if err != nil {
		return err
	}
	stored, err := s.visible(r.Context(), c, r.PathValue("id"), query.Get("subject"))
	if err != nil {
		return err
	}
	one, err := read(r, stored)
	if err != nil {
		return err
	}
	status, err := s.statusOf(r.Context(), one)
	if err != nil {
		return err
	}
	text, err := strictjson.MarshalText(status)
	if err != nil {
		return err
	}
	web.Account(r).Rest() // sending the response needs no processor
	web.WriteJSONText(w, http.StatusOK, text)
	return nil
}

func (s *Service) statusOf(ctx context.Context, r *run) (status aureus.WorkflowStatus, err error) {
	spec, state := &r.request.Workflow, r.state
	status = aureus.WorkflowStatus{
		WorkflowID: spec.ID, RunID: r.stored.ID, Status: state.Status, CurrentTask: state.Current, Error: state.Error,
		CorrelationID: r.request.CorrelationID, StartedAt: aureus.TimestampOf(r.stored.StartedAt), Progress: 1, Tasks: taskResults(spec, state),
		Subject: r.stored.Subject,
	}
	if state.CompletedAt != 0 {
		status.CompletedAt = aureus.TimestampOf(time.Unix(0, state.CompletedAt))
	}
	if !workflow.Ended(state.Status) {
		status.Progress = state.Progress(spec)
	}
	status.PendingApprovals, err = s.pendingApprovals(ctx, r)
	return status, err
}

// visible returns the latest run of the workflow that the caller may see. A service
// sees the runs of its own subject. An operator sees those of the named subject, or
// of all subjects if none is named.
func (s *Service) visible(ctx context.Context, c web.Caller, id, subject string) (storage.Run, error) {
	if !c.Role.AtLeast(web.Operator) {
		if subject != "" && subject != c.Subject {
			return storage.Run{}, web.NotFound("workflow")
		}
		subject = c.Subject
	}
	stored, err := s.latestStored(ctx, c.Tenant, subject, id)
	if errors.Is(err, storage.ErrNotFound) {
		err = web.NotFound("workflow")
	}
	return stored, err
}

// storedSize returns the bytes of the JSON texts of a stored run.
func storedSize(stored storage.Run) int64 {
	size := len(stored.Request) + len(stored.State)
	for _, text := range stored.Tasks {
		size += len(text)
	}
	return int64(size)
}
