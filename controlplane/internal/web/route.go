package web

import (
	"net/http"
)

// Handler answers one request of an authenticated caller. The kernel writes a returned
// error as the response, so a handler must not return an error after it has written
// anything.
type Handler func(w http.ResponseWriter, r *http.Request, c Caller) error

// Replay says whether a successful response to a request with an Idempotency-Key is
// stored, so that the same request, sent again, gets the same response without a second
// effect.
type Replay int

// The kinds of replay. Requests with the methods GET and HEAD are never replayed.
const (
	ReplayNever   Replay = iota // the response is not stored; a repeated request is served again
	ReplayMemory                // stored in memory only, for responses that must not be written to a disk
	ReplayDurable               // stored in the database before the response is sent
)

// BodyLimit selects one of the two configured limits of request bodies.
type BodyLimit int

// The limits of bodies.
const (
	OrdinaryBody BodyLimit = iota // Config.MaxBody
	BatchBody                     // Config.MaxBatchBody
)

// Route is one path of the API with everything that the kernel needs to know about it.
// A route without Role and Public refuses every request.
type Route struct {
	Pattern string // a pattern of [http.ServeMux], such as "POST /api/v1/policy/evaluate"

	// Role is the weakest role that may use the route. Public serves it without a key.
	Role   Role
	Public bool

	// Page makes the route serve a page to a person with a browser. It is then not part
	// of the API, so the OpenAPI document does not list it. nil for a route of the API.
	Page *Page

	// Query lists all parameters that the query string may have. A request with
	// another one is answered with 400.
	Query []Parameter

	Body   BodyLimit
	Replay Replay

	// Urgent lets requests of every role use the capacity that is reserved for
	// decisions and operators.
	Urgent bool

	// LongWork makes requests wait for a processor however short their body is: see
	// ReadBody.
	LongWork bool

	// Valid reports whether a stored response with that body may still be sent to a
	// repeated request. If not, the request is served again. nil permits it always.
	Valid func(r *http.Request, c Caller, body []byte) (bool, error)

	// OnTooLarge, if not nil, is called when a request is refused because it declares
	// a body above the limit. The handler is not called for such a request.
	OnTooLarge func(Caller)

	Handler Handler

	// Doc describes the route for the OpenAPI document. It has no effect on
	// requests.
	Doc Doc
}

// Handle registers the routes. It must not be called after the first request.
func (k *Kernel) Handle(routes ...Route) {
	for _, route := range routes {
		k.routes = append(k.routes, route)
		k.mux.Handle(route.Pattern, routeHandler{func(w http.ResponseWriter, r *http.Request) {
			switch err := k.serve(route, w, r); {
			case err == nil:
			case route.Page != nil:
				e := ErrorOf(err)
				logFailure(r, e)
				route.Page.Fail(w, r, e)
			default:
				Fail(w, r, err)
			}
		}})
	}
}

// Routes returns the registered routes, in the order of their registration.
func (k *Kernel) Routes() []Route { return k.routes }

// routeHandler is the type of the handlers that Handle registers. A handler of another
// type that the mux returns for a request refuses or redirects it.
type routeHandler struct{ http.HandlerFunc }

// serve authenticates a request of the route, applies the limits and calls the handler.
func (k *Kernel) serve(route Route, w http.ResponseWriter, r *http.Request) error {
	if route.Public {
		if err := checkQuery(r, route.Query); err != nil {
			return err
		}
		return route.Handler(w, r, Caller{})
	}
	c, err := k.callerOf(route, r)
	if err != nil {
		return err
	}
	if err := checkQuery(r, route.Query); err != nil {
		return err
	}
	account, err := k.admit(route, w, r, c)
	if err != nil {
		return err
	}
	defer account.Close()
	return k.replayOrServe(route, w, r, c)
}
