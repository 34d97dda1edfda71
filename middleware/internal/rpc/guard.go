package rpc

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// Options are the options of both packages, which document them.
type Options struct {
	Outcomes    func(context.Context, aureus.Outcome)
	Logger      *slog.Logger
	Metadata    []string
	MaxMessage  int64
	ApprovalURL func(id string) string
}

// The limits of Options.MaxMessage, in bytes.
const (
	defaultMaxMessage = 1 << 20
	maxMaxMessage     = 16 << 20
)

// Guard decides on calls.
type Guard struct {
	maxMessage int64
	outcomes   func(context.Context, aureus.Outcome)
	oneMessage http.Handler // for calls with one message, which the guard reads
	messages   http.Handler // for calls whose messages come while the handler runs
}

// New returns a guard, and panics if something is missing or invalid. who is the function
// that the panic names.
func New(who string, decider guard.Decider, routes interface{ Routes() []guard.Route }, o Options) *Guard {
	if decider == nil || routes == nil {
		panic(who + ": the decider or the table of routes is nil")
	}
	if o.MaxMessage == 0 {
		o.MaxMessage = defaultMaxMessage
	}
	if o.MaxMessage < 1 || o.MaxMessage > maxMaxMessage {
		panic(fmt.Sprintf("%s: Options.MaxMessage: %d is not between 1 and %d bytes", who, o.MaxMessage, maxMaxMessage))
	}
	for _, name := range o.Metadata {
		if strings.HasSuffix(strings.ToLower(name), "-bin") {
			panic(fmt.Sprintf("%s: Options.Metadata: %s has binary values, which no approval can show", who, name))
		}
	}
	g := &Guard{maxMessage: o.MaxMessage, outcomes: o.Outcomes}
	options := middleware.Options{
		Logger: o.Logger, Headers: o.Metadata, MaxBody: o.MaxMessage, ApprovalURL: o.ApprovalURL,
		Refusal: func(r *http.Request, p middleware.Problem) (string, []byte) {
			callOf(r.Context()).problem = &p
			return "", nil
		},
	}
	if o.Outcomes != nil {
		options.Outcomes = g.record
	}
	identify := func(r *http.Request) (aureus.Principal, error) {
		c := callOf(r.Context())
		return c.Identify(c.ctx)
	}
	run := http.HandlerFunc(serve)
	g.oneMessage = middleware.EnforceRoutes(decider, identify, &argumentTable{source: routes, message: true}, options)(run)
	g.messages = middleware.EnforceRoutes(decider, identify, &argumentTable{source: routes}, options)(run)
	return g
}

// record reports an outcome with the name of the call's status instead of that of HTTP.
func (g *Guard) record(ctx context.Context, o aureus.Outcome) {
	if c := callOf(ctx); c.problem == nil && c.code != 0 && o.Status == "failed" {
		o.ErrorClass = Name(c.code)
	}
	g.outcomes(ctx, o)
}

// NotDone is middleware.NotDone for the context of a handler.
func NotDone(ctx context.Context) { middleware.NotDone(new(http.Request).WithContext(ctx)) }
