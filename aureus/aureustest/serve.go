package aureustest

import (
	"context"
	"crypto/rand"
	"maps"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/internal/wire"
)

// handler serves a request whose body has been read.
type handler func(q *request) (any, error)

// request is one request under way.
type request struct {
	*http.Request
	body   []byte
	header http.Header // of the response

	repeatable bool // the request can be served again, so its response is not kept for its Idempotency-Key
}

// route is a handler and the query parameters that its requests may have.
type route struct {
	handler    handler
	parameters []string
}

// routes are the endpoints, with the query parameters that they accept. Endpoints that this
// server does not have get notServed.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, h := range map[string]handler{
		"POST /policy/evaluate":                     s.evaluate,
		"POST /policy/check":                        s.check,
		"POST /policy/approval":                     s.requestApproval,
		"GET /policy/approvals?status&limit&cursor": s.listApprovals,
		"GET /policy/approvals/{id}":                s.getApproval,
		"POST /policy/approvals/{id}/approve":       s.decideApproval(true),
		"POST /policy/approvals/{id}/reject":        s.decideApproval(false),
		"POST /policy/approvals/{id}/consume":       s.consumeApproval,

		"POST /crv/validate":               s.validateCommit,
		"POST /crv/validators":             s.registerValidator,
		"GET /crv/validators?limit&cursor": s.listValidators,
		"GET /crv/validators/{id}":         s.getValidator,
		"POST /workflows/{rest...}":        notServed, "GET /workflows/{rest...}": notServed,
		"GET /stream": notServed, "GET /audit": notServed, "GET /audit/{rest...}": notServed,

		"POST /observability/events":        one(s, &s.requests.events, reportedEvent),
		"POST /observability/metrics":       one(s, &s.requests.metrics, nil),
		"POST /observability/spans":         one(s, &s.requests.spans, nil),
		"POST /observability/events/batch":  batch(s, &s.requests.events, reportedEvent),
		"POST /observability/metrics/batch": batch(s, &s.requests.metrics, nil),
		"POST /observability/spans/batch":   batch(s, &s.requests.spans, nil),
		"GET /observability/events?type&workflow_id&task_id&source&start_time&end_time&limit&cursor": s.listEvents,
		"GET /observability/metrics?name&start_time&end_time&tags&limit&cursor":                      s.listMetrics,
		"GET /observability/traces/{id...}?limit&cursor":                                             s.listTrace,
		"GET /observability/summary?range&start_time&end_time":                                       s.summarize,
		"POST /audit/records/batch":                                                                  batch(s, &s.requests.records, s.takeRecord),
		"POST /audit/gates/batch":                                                                    batch(s, &s.requests.gates, nil),
		"GET /decisions/{id}":                                                                        notServed,
		"POST /audit/outcomes/batch":                                                                 batch(s, &s.requests.outcomes, s.takeOutcome),
	} {
		path, query, _ := strings.Cut(pattern, "?")
		method, below, _ := strings.Cut(path, " ")
		mux.Handle(method+" "+prefix+below, route{h, strings.Split(query, "&")})
	}
	return mux
}

func notServed(q *request) (any, error) {
	return nil, refuse(http.StatusNotImplemented, wire.CodeNotServed,
		"aureustest does not serve %s; use a control plane in the process (controlplane.Open)", q.URL.Path)
}

// ServeHTTP calls the handler. w is the *pending that dispatch made; the response is
// stored in it.
func (h route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := w.(*pending)
	if !ok {
		panic("aureustest: a handler was called without a *pending")
	}
	q := &request{Request: r, body: a.body, header: http.Header{}}
	value, err := any(nil), checkQuery(r, h.parameters)
	if err == nil {
		value, err = h.handler(q)
	}
	a.repeatable = q.repeatable
	if err != nil {
		a.response = responseFor(err, r)
		return
	}
	a.response = success(value, q.header)
}

// pending is a request under way, for route.ServeHTTP. It is an http.ResponseWriter only
// because the mux passes one on; nothing is written to it.
type pending struct {
	http.ResponseWriter
	body       []byte
	response   response
	repeatable bool
}

type idKey struct{}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(idKey{}).(string)
	return id
}

// serve serves one request, with the fault that applies to it.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == allowAllPath {
		send(w, response{status: http.StatusOK, body: []byte(allowAll)})
		return
	}
	id := rand.Text()
	r = r.WithContext(context.WithValue(r.Context(), idKey{}, id))
	body, err := readBody(w, r)
	below := strings.TrimPrefix(r.URL.Path, prefix)
	fault := s.arrived(r, below)
	if fault.before != nil && fault.before(&faultTarget{server: s, w: w, r: r}) {
		return
	}
	var a response
	if err != nil {
		a = responseFor(err, r)
	} else {
		a = s.once(r, body)
	}
	a.header.Set("X-Request-Id", id)
	if fault.after != nil && fault.after(&faultTarget{server: s, w: w, r: r}, &a) {
		return
	}
	send(w, a)
}

func send(w http.ResponseWriter, a response) {
	header := w.Header()
	maps.Copy(header, a.header)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client may be gone
}

// dispatch calls the handler of the request's route.
func (s *Server) dispatch(r *http.Request, body []byte) (a response, repeatable bool) {
	if r.URL.EscapedPath() != path.Clean(r.URL.EscapedPath()) {
		return responseFor(refuse(http.StatusNotFound, wire.CodeNotFound, "not found: the path has an empty segment, or one that is . or .."), r), true
	}
	if !s.serves(r, r.Method) {
		return responseFor(s.notRouted(r), r), true
	}
	p := &pending{body: body}
	s.mux.ServeHTTP(p, r)
	return p.response, p.repeatable
}

// notRouted is the error of a request that no route serves: 405 if the path has other
// methods, else 404.
func (s *Server) notRouted(r *http.Request) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if s.serves(r, method) {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return refuse(http.StatusNotFound, wire.CodeNotFound, "not found")
	}
	list := strings.Join(allow, ", ")
	return refuse(http.StatusMethodNotAllowed, wire.CodeMethod, "the method %.20q is not allowed here; use %s", r.Method, list).with("Allow", list)
}

// serves reports whether a route serves the path with that method. The handlers of the mux
// itself, which refuse or redirect, do not count.
func (s *Server) serves(r *http.Request, method string) bool {
	other := *r
	other.Method = method
	found, _ := s.mux.Handler(&other)
	_, ours := found.(route)
	return ours
}
