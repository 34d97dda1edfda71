package console

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/bundles"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// Root is the path of the first page. The paths of all others begin with it.
const Root = "/console/"

// Keys checks API keys.
type Keys interface {
	// LogIn returns the caller whose key has the secret, if its role is at least need.
	LogIn(r *http.Request, secret string, need web.Role) (web.Caller, error)
	// KeyOf returns the caller that the key with the id stands for now, or
	// storage.ErrNotFound if it is unknown or revoked.
	KeyOf(ctx context.Context, id string) (web.Caller, error)
}

// Service serves the pages. Every exported field must be set before the first request;
// then it is safe for concurrent use.
type Service struct {
	Now     func() time.Time
	Store   storage.Transactions
	Rules   rules.Rules
	Bundles *bundles.Service
	Policy  *policy.Service
	Keys    Keys

	Approvals Approvals
	Runs      Runs
	Audit     Audit

	// Watch returns what changes in a tenant from now on.
	Watch func(tenant string) Changes

	sessions sessions
}

// Routes returns the routes of the service. Those that are not public need a session of
// an operator, and may use the capacity that is reserved for operators.
func (s *Service) Routes() []web.Route {
	routes := slices.Concat(
		[]web.Route{
			{Pattern: "GET /console", Public: true, Handler: toRoot},
			{Pattern: "GET " + loginPath, Public: true, Handler: s.loginPage},
			{Pattern: "POST " + loginPath, Public: true, Handler: s.logIn},
			{Pattern: "GET " + eventsPath, Handler: s.events},
			{Pattern: "GET " + Root + "{path...}", Handler: noPage},
		},
		staticRoutes(), s.sessionRoutes(), s.bundleRoutes(), s.historyRoutes(), s.stopsRoutes(), s.whyRoutes(),
		s.inboxRoutes(), s.approvalRoutes(), s.runRoutes(), s.auditRoutes(),
	)
	for i := range routes {
		route := &routes[i]
		route.Page = &web.Page{Caller: s.callerOf, Fail: s.fail}
		if !route.Public {
			route.Role, route.Urgent = web.Operator, true
		}
		route.Handler = withHeaders(route.Handler)
	}
	return routes
}

// parameters returns the declarations of parameters of a query.
func parameters(names ...string) (list []web.Parameter) {
	for _, name := range names {
		list = append(list, web.Parameter{Name: name})
	}
	return list
}

func toRoot(w http.ResponseWriter, _ *http.Request, _ web.Caller) error {
	redirect(w, Root)
	return nil
}

func noPage(http.ResponseWriter, *http.Request, web.Caller) error { return web.NotFound("page") }
