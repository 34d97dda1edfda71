package routertest

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/aureus/aureustest"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/middleware"
)

// Handler is a handler of a [Service]. param returns a path value as the router gives it to a
// handler, that of the rest of the path under the name rest and without a slash in front.
type Handler func(w http.ResponseWriter, r *http.Request, param func(name string) string)

// Service returns a service with a guard in front of the routes, whose patterns are those of
// net/http: the adapter under test writes them in the form of its router.
type Service func(protect func(http.Handler) http.Handler, routes map[string]Handler) http.Handler

// The routes of a service under the bundle.
const (
	readAccount   = "GET /accounts/{id}"
	closeAccount  = "DELETE /accounts/{id}"
	transfer      = "POST /accounts/{id}/transfers"
	search        = "GET /search"
	readFile      = "GET /files/{rest...}"
	health        = "GET /healthz"
	forgotten     = "GET /forgotten"
	bundleOfTests = `
aureus: policy/1
name: ledger
version: 1
roles:
  teller:
    grants:
      - {action: read, resource: "accounts/*"}
      - {action: write, resource: "accounts/*"}
      - {action: read, resource: files}
      - {action: read, resource: search}
principals:
  ann: {roles: [teller]}
actions:
  account.read:
    tier: low
    requires: [{action: read, resource: "accounts/{id}"}]
    routes: ["GET /accounts/{id}"]
  account.close:
    tier: high
    requires: [{action: write, resource: "accounts/{id}"}]
    routes: ["DELETE /accounts/{id}"]
  transfer.make:
    tier: medium
    tier_when: [{when: "arguments.amount > 1000", tier: high}]
    requires: [{action: write, resource: "accounts/{id}"}]
    routes: ["POST /accounts/{id}/transfers"]
    arguments: [path, body]
    schema:
      type: object
      required: [id, amount]
      properties: {id: {type: string}, amount: {type: number}}
  file.read:
    tier: low
    requires: [{action: read, resource: files}]
    routes: ["GET /files/{rest...}"]
  search:
    tier: low
    requires: [{action: read, resource: search}]
    routes: ["GET /search"]
    arguments: [query]
  healthz: {open: true, routes: ["GET /healthz"]}
rules:
  - {id: payroll, effect: deny, actions: [account.read, account.close, transfer.make], when: "arguments.id == 'payroll'"}
  - {id: secrets, effect: deny, actions: [file.read], when: "arguments.rest == 'secret' || arguments.rest.startsWith('secret/')"}
  - {id: words, effect: deny, actions: [search], when: "has(arguments.q) && arguments.q == 'secret'"}
`
)

// guardedService is a service behind a guard that decides by the bundle.
type guardedService struct {
	handler http.Handler
	people  *aureustest.Server

	mu       sync.Mutex
	asked    []aureus.Request
	outcomes []aureus.Outcome
	reached  []reached
}

// reached is a handler that ran, with what it saw.
type reached struct {
	route, method string
	values        map[string]string
}

// newGuardedService returns the service. Each handler answers with the value of id or rest,
// and with the status that the query names.
func newGuardedService(t *testing.T, service Service) *guardedService {
	t.Helper()
	bundle, err := policy.Parse([]byte(bundleOfTests))
	require.NoError(t, err)
	s := &guardedService{people: aureustest.New(t)}
	engine, err := policy.New(bundle, policy.Config{Approvals: s.people.Client()})
	require.NoError(t, err)
	decider := guard.DeciderFunc(func(ctx context.Context, request aureus.Request) (aureus.Decision, error) {
		s.note(func() { s.asked = append(s.asked, request) })
		return engine.Decide(ctx, request)
	})
	identify := func(r *http.Request) (aureus.Principal, error) {
		if name := r.Header.Get("User"); name != "" {
			return aureus.Principal{ID: name, Type: "agent"}, nil
		}
		return aureus.Principal{}, middleware.ErrNoIdentity
	}
	protect := middleware.EnforceRoutes(decider, identify, engine, middleware.Options{
		Outcomes: func(_ context.Context, o aureus.Outcome) { s.note(func() { s.outcomes = append(s.outcomes, o) }) },
	})
	s.handler = service(protect, s.routes())
	return s
}

// routes returns the handlers.
func (s *guardedService) routes() map[string]Handler {
	routes := map[string]Handler{}
	for route, name := range map[string]string{
		readAccount: "id", closeAccount: "id", transfer: "id", search: "", readFile: "rest", health: "", forgotten: "",
	} {
		routes[route] = func(w http.ResponseWriter, r *http.Request, param func(string) string) {
			seen := reached{route: route, method: r.Method, values: map[string]string{}}
			if name != "" {
				seen.values[name] = param(name)
			}
			s.note(func() { s.reached = append(s.reached, seen) })
			answer(w, r)
		}
	}
	return routes
}

func (s *guardedService) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}
