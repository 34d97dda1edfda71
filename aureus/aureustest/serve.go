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

// handler answers a request whose body has been read.
type handler func(q *request) (any, error)

// request is one request on its way.
type request struct {
	*http.Request
	body   []byte
	header http.Header // of the answer

	repeatable bool // the answer need not be kept for its Idempotency-Key
}

// route answers requests whose query has no other parameters.
type route struct {
	handler    handler
	parameters []string
}

// routes is what is served, with the parameters that a query may have. What is
// not a test double's is said to be missing.
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

// ServeHTTP answers into the *answer that serve hands in.
func (h route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, ok := w.(*pending)
	if !ok {
		panic("aureustest: a handler was served without an answer to fill")
	}
	q := &request{Request: r, body: a.body, header: http.Header{}}
	value, err := any(nil), checkQuery(r, h.parameters)
	if err == nil {
		value, err = h.handler(q)
	}
	a.repeatable = q.repeatable
	if err != nil {
		a.answer = answerFor(err, r)
		return
	}
	a.answer = success(value, q.header)
}

// pending is an answer that a handler is about to give. It is a ResponseWriter
// for the mux alone, which finds the handler and its path values.
type pending struct {
	http.ResponseWriter
	body       []byte
	answer     answer
	repeatable bool
}

type idKey struct{}

func requestID(r *http.Request) string {
	id, _ := r.Context().Value(idKey{}).(string)
	return id
}

// serve answers one request, unless a fault has it otherwise.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == yesPath {
		send(w, answer{status: http.StatusOK, body: []byte(yes)})
		return
	}
	id := rand.Text()
	r = r.WithContext(context.WithValue(r.Context(), idKey{}, id))
	body, err := readBody(w, r)
	below := strings.TrimPrefix(r.URL.Path, prefix)
	fault := s.arrived(r, below)
	if fault.before != nil && fault.before(&victim{server: s, w: w, r: r}) {
		return
	}
	var a answer
	if err != nil {
		a = answerFor(err, r)
	} else {
		a = s.once(r, body)
	}
	a.header.Set("X-Request-Id", id)
	if fault.after != nil && fault.after(&victim{server: s, w: w, r: r}, &a) {
		return
	}
	send(w, a)
}

func send(w http.ResponseWriter, a answer) {
	header := w.Header()
	maps.Copy(header, a.header)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(a.body)))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // a client that is gone does not hear of it
}

// dispatch finds the handler and has it answer.
func (s *Server) dispatch(r *http.Request, body []byte) (a answer, repeatable bool) {
	if r.URL.EscapedPath() != path.Clean(r.URL.EscapedPath()) {
		return answerFor(refuse(http.StatusNotFound, wire.CodeNotFound, "nothing is served at this path: it has an empty or a dotted segment"), r), true
	}
	if !s.serves(r, r.Method) {
		return answerFor(s.unserved(r), r), true
	}
	p := &pending{body: body}
	s.mux.ServeHTTP(p, r)
	return p.answer, p.repeatable
}

// unserved says what is wrong with a method or a path that nothing serves.
func (s *Server) unserved(r *http.Request) error {
	var allow []string
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if s.serves(r, method) {
			allow = append(allow, method)
		}
	}
	if len(allow) == 0 {
		return refuse(http.StatusNotFound, wire.CodeNotFound, "nothing is served at this path")
	}
	list := strings.Join(allow, ", ")
	return refuse(http.StatusMethodNotAllowed, wire.CodeMethod, "%.20q is not served here; %s is", r.Method, list).with("Allow", list)
}

// serves reports whether the mux has a route for the path with that method; its
// own handlers refuse or redirect.
func (s *Server) serves(r *http.Request, method string) bool {
	other := *r
	other.Method = method
	found, _ := s.mux.Handler(&other)
	_, ours := found.(route)
	return ours
}
