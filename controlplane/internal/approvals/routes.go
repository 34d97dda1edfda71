package approvals

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	const (
		one = "/api/v1/policy/approvals/{id}"
		id  = "The id of the approval."
	)
	approval, verdict := reflect.TypeFor[aureus.Approval](), reflect.TypeFor[wire.ApprovalVerdict[aureus.Digest]]()
	return []web.Route{
		{
			Pattern: "POST /api/v1/policy/approval", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Handler: s.ask,
			Doc: web.Doc{
				ID: "requestApproval", Tag: "Policy", Summary: "Ask for approval",
				Description: "Opens an approval, also where the principal lacks permissions, which the operator can see. A further request for the same thing returns the approval that is in force.",
				Request:     reflect.TypeFor[Request](), Response: reflect.TypeFor[Response](), Success: "The approval.",
			},
		},
		{
			Pattern: "GET /api/v1/policy/approvals", Role: web.Service, Urgent: true, Handler: s.list,
			Query: []web.Parameter{{Name: "status", Description: "Only approvals in this state.", Type: reflect.TypeFor[aureus.ApprovalStatus]()}, web.Limit, web.Cursor},
			Doc: web.Doc{
				ID: "listApprovals", Tag: "Approvals", Summary: "List approvals",
				Description: "Lists approvals in the order in which they were asked for. A key of the role service sees those that its subject asked for. A page has 100 approvals, at most 1,000.",
				Response:    reflect.TypeFor[[]aureus.Approval](), Success: "A page of approvals.",
			},
		},
		{
			Pattern: "GET " + one, Role: web.Service, Urgent: true, Handler: s.get,
			Doc: web.Doc{
				ID: "getApproval", Tag: "Approvals", Summary: "Read an approval", Path: id,
				Description: "Returns an approval. A key of the role service sees those that its subject asked for.",
				Response:    approval, Success: "The approval.",
			},
		},
		{
			Pattern: "POST " + one + "/approve", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.decide(true),
			Doc: web.Doc{
				ID: "approve", Tag: "Approvals", Summary: "Approve", Path: id,
				Description: "Approves the request that was shown. The approval is approved when as many different people have approved as its quorum needs, and pending before. The subject that asked, the principal and the one it acts for are refused with SELF_APPROVAL; a key without one of its roles with PERMISSION_DENIED; a second verdict of one person, or one that is too late, with STATE_CONFLICT; another digest with APPROVAL_MISMATCH.",
				Request:     verdict, Response: approval, Success: "The approval, approved or still pending.",
			},
		},
		{
			Pattern: "POST " + one + "/reject", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.decide(false),
			Doc: web.Doc{
				ID: "reject", Tag: "Approvals", Summary: "Reject", Path: id,
				Description: "Rejects the request that was shown, whoever has approved it. Until the approval expires, the same request is denied.",
				Request:     verdict, Response: approval, Success: "The approval, rejected.",
			},
		},
		{
			Pattern: "POST " + one + "/consume", Role: web.Service, Urgent: true, Replay: web.ReplayDurable, Valid: s.consumptionValid, Handler: s.consume,
			Doc: web.Doc{
				ID: "consumeApproval", Tag: "Approvals", Summary: "Use an approval", Path: id,
				Description: "Uses an approval for one decision, for applications that decide in their own process. It succeeds once. The code of a refusal gives the reason: APPROVAL_PENDING, APPROVAL_REJECTED, APPROVAL_EXPIRED, APPROVAL_CONSUMED, APPROVAL_MISMATCH, APPROVAL_POLICY_CHANGED or, if a stop forbids the action, STOPPED.",
				Request:     reflect.TypeFor[aureus.ApprovalUse](), Response: approval, Success: "The approval, consumed.",
			},
		},
	}
}
