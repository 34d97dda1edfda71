package policy

import (
	"maps"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// record stores the decision with its audit entry. before is the state of the
// request before the decision. The published system lets every decision begin at
// evaluating, so before is only in the details. more is added to the details.
func (s *Service) record(t storage.Tx, c web.Caller, d aureus.Decision, before aureus.GoalGuardState, more ...map[string]any) error {
	made := d.Record()
	decision, err := storage.DecisionOf(made, c.Subject)
	if err != nil {
		return err
	}
	entry := storage.DecisionEntry(made, c.Actor())
	entry.FromState, entry.ToState = vocab.StateEvaluating, d.Effect.State()
	entry.Details["source"] = storage.SourceEvaluated
	entry.Details["reason"] = d.Reason
	entry.Details["transitions"] = []any{string(before), string(vocab.StateEvaluating), string(d.Effect.State())}
	for _, m := range more {
		maps.Copy(entry.Details, m)
	}
	_, err = t.Decisions().Add(c.Tenant, s.Now(), decision, entry)
	return err
}

const (
	maxPath   = 1024 // bytes that are kept of a request's path
	maxMethod = 200  // bytes that are kept of its method
)

// requestDetails are the details that the audit log keeps of a request besides its
// names. They hold neither query, headers nor body, and of the arguments only their
// digest.
func requestDetails(c web.Caller, request aureus.Request) map[string]any {
	details := map[string]any{}
	if request.Arguments != nil {
		if digest, err := guard.Digest(c.Tenant, aureus.Request{Arguments: request.Arguments}); err == nil { // otherwise it was denied as invalid
			details["arguments_digest"] = digest.String()
		}
	}
	for name, value := range map[string]string{"workflow_id": request.WorkflowID, "task_id": request.TaskID} {
		if value != "" {
			details[name] = value
		}
	}
	if call := request.HTTP; call != nil {
		details["method"], details["path"] = jsonvalue.Clip(call.Method, maxMethod), jsonvalue.Clip(call.Path, maxPath)
	}
	return details
}
