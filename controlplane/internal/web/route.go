package web

import (
	"net/http"
)

// Handler answers one request of an authenticated caller. The kernel writes a
// returned error as JSON, so a handler returns an error only before it has written
// anything.
type Handler func(w http.ResponseWriter, r *http.Request, c Caller) error

// Replay says what becomes of a successful response to a request with an
// Idempotency-Key, so that the same request, sent again, gets the same response
// and does nothing twice.
type Replay int

// The kinds of replay. Requests with the methods GET and HEAD are never replayed.
const (
	ReplayNever   Replay = iota // the response is not stored; a repeated request is served anew
	ReplayMemory                // stored until the process ends, for responses that must not be written to a disk
	ReplayDurable               // stored in the database before the response is sent
)

// BodyLimit says which of the two configured limits a request body has.
type BodyLimit int

// The limits of bodies.
const (
	OrdinaryBody BodyLimit = iota // Config.MaxBody
	BatchBody                     // Config.MaxBatchBody
)

// Route is one path of the API, with everything that the kernel has to know about
// it. The zero value refuses every request: no role is enough.
type Route struct {
	Pattern string // as [http.ServeMux] has it, such as "POST /api/v1/policy/evaluate"

	// Role is the least role of the key. Public serves the route without a key.
	Role   Role
	Public bool

	// Query lists all parameters that the query may have. A request with any
	// other one is answered with 400.
	Query []Parameter

	Body   BodyLimit
	Replay Replay

	// Urgent requests may use the share that is reserved for decisions, whatever
	// their role.
	Urgent bool

	// LongWork makes every request with a body wait for its turn to be processed,
	// however short the body is.
	LongWork bool

	// Valid reports whether a stored response may be replayed. nil is always.
	// Where it reports false, the request is served anew.
	Valid func(r *http.Request, c Caller, body []byte) (bool, error)

	// OnTooLarge is called for a request that declares a body above the limit,
	// which is refused before it is read. nil does nothing.
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
			if err := k.serve(route, w, r); err != nil {
				Fail(w, r, err)
			}
		}})
	}
}

// Routes are the registered routes, in the order of their registration.
func (k *Kernel) Routes() []Route { return k.routes }

// routeHandler is what Handle registers. Any other handler that the mux finds for
// a request is the mux's own refusal or redirect.
type routeHandler struct{ http.HandlerFunc }

// serve answers a request of the route.
func (k *Kernel) serve(route Route, w http.ResponseWriter, r *http.Request) error {
	if route.Public {
		if err := checkQuery(r, route.Query); err != nil {
			return err
		}
		return route.Handler(w, r, Caller{})
	}
	c, err := k.authenticate(r, route.Role)
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
