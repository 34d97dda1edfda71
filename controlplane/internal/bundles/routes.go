package bundles

import (
	"reflect"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// base is the path of everything about the policy of a tenant.
const base = "/api/v1/policy/"

// Routes returns the routes of the service.
func (s *Service) Routes() []web.Route {
	list, stop := reflect.TypeFor[[]aureus.PolicyBundle](), reflect.TypeFor[aureus.PolicyStop]()
	return append(s.bundleRoutes(), []web.Route{
		{
			Pattern: "GET " + base + "bundle/history", Role: web.Service, Handler: s.history, Query: []web.Parameter{web.Limit, web.Cursor},
			Doc: web.Doc{
				ID: "listPolicyBundles", Tag: "Policy", Summary: "List the versions of the policy bundle",
				Description: "Lists all versions of the tenant's policy bundle, the newest first; the first one is in force. A page has 100 versions, at most 1,000.",
				Response:    list, Success: "A page of versions, without their texts.",
			},
		},
		{
			Pattern: "GET " + base + "stops", Role: web.Service, Urgent: true, Handler: s.stops,
			Doc: web.Doc{
				ID: "listPolicyStops", Tag: "Policy", Summary: "List the stops",
				Description: "Lists the stops that hold now, by scope. A tenant has at most 1,000.",
				Header:      []web.Parameter{ifNoneMatch}, NotModified: true,
				Response: reflect.TypeFor[[]aureus.PolicyStop](), Success: "The stops.", ResponseHeader: []web.Parameter{{Name: "ETag", Description: "Changes with each change of the stops."}},
			},
		},
		{
			Pattern: "PUT " + base + "stops/{scope}", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.stop,
			Doc: web.Doc{
				ID: "stopPolicy", Tag: "Policy", Summary: "Stop", Path: scopeText,
				Description: "Refuses everything that the scope selects with the reason code STOPPED, whatever the policy bundle and approvals say, from now on and after every restart, until the stop is removed. Workflows that run meet it at their next task. If the scope is stopped already, the response is that stop, with its reason.",
				Request:     reflect.TypeFor[wire.StopRequest](), Response: stop, Success: "The stop holds.",
			},
		},
		{
			Pattern: "DELETE " + base + "stops/{scope}", Role: web.Operator, Urgent: true, Replay: web.ReplayDurable, Handler: s.resume,
			Doc: web.Doc{
				ID: "resumePolicy", Tag: "Policy", Summary: "Remove a stop", Path: scopeText,
				Description: "Removes the stop with exactly this scope.", NotFound: true,
				Response: stop, Success: "The stop that was removed.",
			},
		},
	}...)
}

const scopeText = "all, principal:ID or action:ID, where ID may end in * for all names that begin so. A stop of a principal also holds for what is done on its behalf."

var ifNoneMatch = web.Parameter{Name: "If-None-Match", Description: "The ETag of an earlier response: if it is still the same, the response is 304 without a body."}

// bundleRoutes returns the routes of bundles themselves.
func (s *Service) bundleRoutes() []web.Route {
	text := reflect.TypeFor[string]()
	headers := []web.Parameter{
		{Name: "ETag", Description: "The digest of the text, in quotes."},
		{Name: wire.BundleHeader, Description: "The name and version, such as ledger/7."},
		{Name: wire.SignatureHeader, Description: "The Ed25519 signature of the text in base64, if it was stored with one."},
	}
	return []web.Route{
		{
			Pattern: "GET " + base + "bundle", Role: web.Service, Urgent: true, Handler: s.get,
			Doc: web.Doc{
				ID: "getPolicyBundle", Tag: "Policy", Summary: "Read the policy bundle",
				Description: "Returns the policy bundle in force, exactly as it was stored.",
				Header:      []web.Parameter{ifNoneMatch}, NotModified: true, NotFound: true,
				Response: text, ContentType: "application/yaml", Success: "The text of the bundle.", ResponseHeader: headers,
			},
		},
		{
			Pattern: "GET " + base + "bundle/history/{version}", Role: web.Service, Handler: s.getVersion,
			Doc: web.Doc{
				ID: "getPolicyBundleVersion", Tag: "Policy", Summary: "Read a version of the policy bundle", Path: "The version, a whole number.",
				Description: "Returns a version, exactly as it was stored. The texts of the newest 1,000 versions are kept.",
				Header:      []web.Parameter{ifNoneMatch}, NotModified: true, NotFound: true,
				Response: text, ContentType: "application/yaml", Success: "The text of the version.", ResponseHeader: headers,
			},
		},
		{
			Pattern: "PUT " + base + "bundle", Role: web.Admin, LongWork: true, Replay: web.ReplayDurable, Handler: s.put,
			Doc: web.Doc{
				ID: "putPolicyBundle", Tag: "Policy", Summary: "Store a policy bundle",
				Description: "Compiles the policy bundle in the body, runs its tests and puts it in force for the tenant, from the next decision on. The body is YAML or JSON; it is stored byte by byte. Its version must be higher than that in force, also to return to an earlier text, and its name the same (409). A bundle that cannot be loaded, or that is not signed although the server demands it, is refused with all its problems (422), and the bundle in force stays. The bundle in force, sent again, is accepted without a change.",
				Header: []web.Parameter{
					{Name: wire.SignatureHeader, Description: "The Ed25519 signature of the body, in base64."},
					{Name: "If-Match", Description: "The ETag of the bundle that this one replaces: if another one is in force, the response is 412."},
					{Name: "If-None-Match", Description: "The only value is *: if the tenant has a bundle already, the response is 412."},
				},
				Request: text, RequestContentType: "application/yaml", Precondition: true,
				Response: reflect.TypeFor[aureus.PolicyBundle](), Success: "The bundle is in force.", ResponseHeader: headers[:1],
			},
		},
	}
}
