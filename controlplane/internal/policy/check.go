package policy

import (
	"net/http"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// check answers POST check: with the decision that evaluate would make if there were
// no approval. It changes nothing: it neither creates nor consumes an approval and
// writes nothing to the audit log.
func (s *Service) check(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body CheckRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	request := body.request()
	p, err := s.Rules.For(r.Context(), c.Tenant)
	if err != nil {
		return undecided(err)
	}
	if err := p.Check(c, request); err != nil {
		return err
	}
	v, err := p.Evaluate(r.Context(), request)
	if err != nil {
		return undecided(err)
	}
	preview := &v.Decision
	web.WriteJSON(w, http.StatusOK, wire.CheckResponse{
		Allowed: preview.Effect == aureus.Allow, HasPermission: p.HasPermission(r.Context(), request),
		RequiresHumanApproval: preview.Effect == aureus.RequireApproval, Reason: preview.Reason,
	})
	return nil
}

// CheckRequest is the body of POST /api/v1/policy/check.
type CheckRequest wire.CheckRequest[aureus.Principal, aureus.Action, aureus.HTTPCall]

// request returns the request to decide.
func (q *CheckRequest) request() aureus.Request {
	return aureus.PolicyContext{
		Principal: q.Principal, Action: q.Action, ToolName: q.ToolName, Arguments: q.Arguments, HTTP: q.HTTP, OnBehalfOf: q.OnBehalfOf,
		Volatile: q.Volatile, WorkflowID: q.WorkflowID, TaskID: q.TaskID, TraceID: q.TraceID,
	}.Request()
}
