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

// record stores the decision with its audit entry. The entry's from_state is always
// evaluating, as in the published system. The state before the evaluation, given as
// before, is in the details, together with more.
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
	maxPath   = 1024 // bytes of a request's path in the audit log; the rest is cut
	maxMethod = 200  // the same for its method
)

// requestDetails returns the part of a request that goes into the details of the
// audit entry. It has no query, headers or body, and only the digest of the arguments.
func requestDetails(c web.Caller, request aureus.Request) map[string]any {
	details := map[string]any{}
	if request.Arguments != nil {
		if digest, err := guard.Digest(c.Tenant, aureus.Request{Arguments: request.Arguments}); err == nil { // on an error the request is denied as invalid
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
