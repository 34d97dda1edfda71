package crv

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	version := web.Parameter{Name: "ETag", Description: "Changes with each version of the validator."}
	return []web.Route{
		{
			// The response may quote the data that was judged, which is written nowhere.
			Pattern: "POST /api/v1/crv/validate", Role: web.Service, LongWork: true, Replay: web.ReplayMemory, Handler: s.validate,
			Doc: web.Doc{
				ID: "validateCommit", Tag: "CRV", Summary: "Validate a commit",
				Description: "Runs all validators of the gate. A failure is a response with status 200; so is a validator that is not registered, which fails the gate.",
				Request:     reflect.TypeFor[ValidateRequest](), Response: reflect.TypeFor[aureus.GateResult](),
				Success: "The result. It is already in the audit log.",
			},
		},
		{
			Pattern: "POST /api/v1/crv/validators", Role: web.Service, LongWork: true, Replay: web.ReplayDurable, Handler: s.register,
			Doc: web.Doc{
				ID: "registerValidator", Tag: "CRV", Summary: "Register a validator",
				Description: "Puts a validator in force, from now on and after every start, in place of the version before: for the subject of the key, or, with an admin's key, for every subject of the tenant. A validator of an admin takes precedence over one that a subject has under the same id, and no other key can register under that id (409).",
				Request:     reflect.TypeFor[RegisterRequest](), Response: reflect.TypeFor[aureus.ValidatorRegistration](),
				Success: "The validator is in force.", ResponseHeader: []web.Parameter{version},
			},
		},
		{
			Pattern: "GET /api/v1/crv/validators", Role: web.Service, LongWork: true, Query: []web.Parameter{web.Limit, web.Cursor}, Handler: s.list,
			Doc: web.Doc{
				ID: "listValidators", Tag: "CRV", Summary: "List validators",
				Description: "Lists the validators that gates of this key can use, by id: those of the tenant and of its subject. The key of an operator lists those of every subject. Built-in validators are not listed. A page has 100 validators, at most 1,000.",
				Response:    reflect.TypeFor[[]RegisteredValidator](), Success: "A page of validators.",
			},
		},
		{
			Pattern: "GET /api/v1/crv/validators/{id}", Role: web.Service, LongWork: true, Handler: s.get,
			Doc: web.Doc{
				ID: "getValidator", Tag: "CRV", Summary: "Read a validator", Path: "The id of the validator.",
				Description: "Returns the version that is in force for this key: that of the tenant, or else that of its subject.",
				Response:    reflect.TypeFor[RegisteredValidator](), Success: "The validator.",
				ResponseHeader: []web.Parameter{version, {Name: "Last-Modified", Description: "When the version was registered."}},
			},
		},
	}
}
