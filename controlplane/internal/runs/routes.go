package runs

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	const id = "The id of the workflow, as its spec has it."
	subject := []web.Parameter{{Name: "subject", Description: "The subject that the run belongs to, for operators. A key of the role service may name its own."}}
	return []web.Route{
		{
			Pattern: "POST /api/v1/workflows/execute", Role: web.Service, Replay: web.ReplayDurable, Handler: s.execute,
			Doc: web.Doc{
				ID: "executeWorkflow", Tag: "Workflows", Summary: "Execute a workflow",
				Description: "Runs the tasks one at a time, each after those it depends on and only if the policy allows it, and responds when the run has ended or waits for an approval. White space before the response keeps a slow call alive. A failed workflow is a response with status 200 too. A run belongs to the subject that started it: two subjects may use one id. If a run with this id has not ended, the call waits for that run. A run that waits for an approval continues without a further call when the approval is decided; a call that asks for the same within an hour of the end of the run gets its result, once. A run that is parked because its key was revoked continues with this key. A run that has ended is started anew, unless it succeeded and each of its tasks has an idempotency_key.",
				Request:     reflect.TypeFor[request](), Response: reflect.TypeFor[aureus.WorkflowExecutionResult](), Success: "The result of the run.",
			},
		},
		{
			Pattern: "GET /api/v1/workflows/{id}/status", Role: web.Service, Query: subject, Handler: s.status,
			Doc: web.Doc{
				ID: "getWorkflowStatus", Tag: "Workflows", Summary: "Read the progress of a workflow", Path: id,
				Description: "Returns the latest run of the workflow that belongs to the caller's subject. For an operator it is the latest run of any subject, or, with `subject`, of that one.",
				Response:    reflect.TypeFor[aureus.WorkflowStatus](), Success: "The state of the run.",
			},
		},
		{
			Pattern: "POST /api/v1/workflows/{id}/cancel", Role: web.Service, Query: subject, Replay: web.ReplayDurable, Handler: s.cancel,
			Doc: web.Doc{
				ID: "cancelWorkflow", Tag: "Workflows", Summary: "Cancel a workflow", Path: id,
				Description: "Stops the run, runs the compensations that its tasks declare, and responds when they have ended. The request has no body. A run that had ended before is not changed. The run is chosen as for the status.",
				Response:    reflect.TypeFor[aureus.WorkflowCancellation](), Success: "The result of the cancellation.",
			},
		},
	}
}
