package policy

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	return []web.Route{
		{
			Pattern: "POST /api/v1/policy/evaluate", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Valid: s.decisionValid, Handler: s.evaluate,
			Doc: web.Doc{
				ID: "evaluatePolicy", Tag: "Policy", Summary: "Decide",
				Description: "Decides whether the principal may do the action now. Low and medium risk is allowed where the permissions are held. High and critical risk needs a person: the first request opens an approval, and once it is approved, the same request is allowed once. Requests are the same where their digests are equal. A denial is a response with status 200.",
				Request:     reflect.TypeFor[aureus.PolicyContext](), Response: reflect.TypeFor[aureus.GuardDecision](),
				Success: "The decision. It is already in the audit log.",
			},
		},
		{
			Pattern: "POST /api/v1/policy/check", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Handler: s.check,
			Doc: web.Doc{
				ID: "checkPermission", Tag: "Policy", Summary: "Check without consequences",
				Description: "Returns the decision that evaluate would make on the same request if no approval existed. Nothing is changed or recorded, and no approval is opened or used.",
				Request:     reflect.TypeFor[CheckRequest](), Response: reflect.TypeFor[wire.CheckResponse](),
				Success: "The result of the check.",
			},
		},
		{
			Pattern: "GET /api/v1/decisions/{id}", Role: web.Service, Handler: s.getDecision,
			Doc: web.Doc{
				ID: "getDecision", Tag: "Audit", Summary: "Read a decision", Path: "The id of the decision.",
				Description: "Returns the request, the decision, the approval that it needed or used, the results of gates and the outcome. A key of the role service sees the decisions that its subject made or reported; any other one is not found. The data are read from the audit log, without the part that was archived.",
				Response:    reflect.TypeFor[aureus.DecisionDetails](), Success: "The decision.",
			},
		},
	}
}
