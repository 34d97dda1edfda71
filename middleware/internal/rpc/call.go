package rpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/current"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/middleware"
)

// ApprovalKey is the key of metadata for the id of an approval.
const ApprovalKey = "aureus-approval"

// Call is one call of a procedure.
type Call struct {
	Procedure string // "/package.Service/Method"
	Authority string // the host that the caller names; may be empty
	Peer      string // the address of the caller
	Metadata  map[string][]string

	// Message is the only message of the caller. nil means that the messages come while
	// the handler runs, or that it is Opaque: no approval can bind it.
	Message proto.Message

	// Opaque says that the caller sends one message that cannot be read, because it is not a
	// protocol buffer or of a type that is not known. If the route takes the message as its
	// arguments, the call is refused.
	Opaque bool

	// Identify returns the principal.
	Identify func(context.Context) (aureus.Principal, error)

	// Handler carries the call out. Its context has the decision.
	Handler func(context.Context) error

	// Code returns the status of an error of the handler, and whether the error is one of
	// the framework, which is left as it is. It is called for nil too.
	Code func(error) (code Code, own bool)

	ctx        context.Context //nolint:containedctx // the call is bound to it
	response   *response
	passed     bool
	err        error // of the handler
	code       Code
	problem    *middleware.Problem // of the refusal, or of an error of the handler
	unreadable error               // why the message has no JSON form
}

type callKey struct{}

func callOf(ctx context.Context) *Call {
	c, _ := ctx.Value(callKey{}).(*Call)
	return c
}

// Run carries the call out if it is allowed. The error is that of the handler, or a
// [*Failure] if the guard refuses the call or the handler failed with an error of a guard or
// a gate. A panic of the handler continues.
func (g *Guard) Run(ctx context.Context, c *Call) error {
	c.ctx = ctx
	marked := context.WithValue(ctx, callKey{}, c)
	protected, body := g.oneMessage, io.ReadCloser(&messageBody{call: c, limit: g.maxMessage})
	if c.Message == nil {
		if !c.Opaque {
			protected, body = g.messages, http.NoBody
		}
		marked = context.WithValue(marked, current.Unbound{}, true)
	}
	r := (&http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: c.Procedure}, RequestURI: c.Procedure, Pattern: c.Procedure,
		Host: c.Authority, RemoteAddr: c.Peer, Header: header(c.Metadata), ContentLength: -1, Body: body,
		Proto: "HTTP/2.0", ProtoMajor: 2,
	}).WithContext(marked)
	w := &response{header: http.Header{}}
	c.response = w
	protected.ServeHTTP(w, r)
	switch {
	case c.problem != nil:
		return c.failure(ctx, w.header)
	case !c.passed: // not reachable: the guard refuses with a problem
		return &Failure{Code: Unavailable, Problem: middleware.Problem{Code: "UNDECIDED", Detail: "The call was not decided, so it was not carried out."}}
	}
	return c.err
}

// header returns the metadata as a header, without what describes the encoding of the
// messages: the guard sees their JSON form.
func header(metadata map[string][]string) http.Header {
	h := make(http.Header, len(metadata)+1)
	for name, values := range metadata {
		if strings.HasPrefix(name, ":") {
			continue
		}
		name = textproto.CanonicalMIMEHeaderKey(name)
		h[name] = append(h[name], values...)
	}
	for _, name := range [...]string{"Content-Encoding", "Content-Length", "Te", "Trailer", "Expect"} {
		delete(h, name)
	}
	h["Content-Type"] = []string{"application/json"}
	return h
}

// serve is the handler behind the guard.
func serve(w http.ResponseWriter, r *http.Request) {
	c := callOf(r.Context())
	if decision, ok := aureus.DecisionFromContext(r.Context()); ok && c.Message == nil && decision.ReasonCode == aureus.ReasonApproved {
		middleware.NotDone(r) // a decider used an approval without asking what it binds
		decision.Effect, decision.ReasonCode = aureus.Deny, aureus.ReasonInvalidRequest
		middleware.WriteError(w, r, &guard.Refusal{Decision: decision})
		return
	}
	c.passed = true
	c.err = c.Handler(r.Context())
	code, own := c.Code(c.err)
	c.code = code
	if c.err != nil && !own && known(c.err) {
		middleware.WriteError(w, r, c.err)
		if c.problem == nil { // an open route: the response has the problem, and no guard saw it
			c.problem = c.response.problem()
		}
		return
	}
	w.WriteHeader(statusOf(code))
}

// known reports whether middleware.WriteError has a response of its own for the error.
func known(err error) bool {
	for _, sentinel := range [...]error{guard.ErrUndecided, middleware.ErrNoIdentity, middleware.ErrStale, middleware.ErrPreconditionRequired, aureus.ErrInvalid} {
		if errors.Is(err, sentinel) {
			return true
		}
	}
	_, refused := errors.AsType[*guard.Refusal](err)
	_, remote := errors.AsType[*aureus.Error](err)
	_, blocked := errors.AsType[interface {
		error
		GateResult() aureus.GateResult
	}](err)
	return refused || remote || blocked
}

// response takes the response of the guard.
type response struct {
	header http.Header
	text   []byte
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(int) {}

func (w *response) Write(b []byte) (int, error) {
	w.text = append(w.text, b...)
	return len(b), nil
}

// problem returns the problem in the body.
func (w *response) problem() *middleware.Problem {
	p := &middleware.Problem{Status: http.StatusInternalServerError, Code: "INTERNAL_ERROR"}
	_ = strictjson.Unmarshal(w.text, p) // the guard wrote it
	return p
}
