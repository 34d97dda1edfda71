package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Option changes how [Enforce] works. An option that cannot be meant panics
// when it is made, so that a mistake shows at start.
type Option func(*config)

type config struct {
	maxBody     int64
	headers     []string
	challenge   string
	approvalURL func(id string) string
	record      func(context.Context, aureus.Outcome)
	logger      *slog.Logger
}

const defaultChallenge = "Bearer"

func newConfig(options []Option) config {
	c := config{maxBody: defaultMaxBody, challenge: defaultChallenge}
	for _, option := range options {
		if option == nil {
			panic("middleware: Enforce: an option is nil")
		}
		option(&c)
	}
	return c
}

// WithMaxBody bounds, in bytes, how much of a body is read before the handler
// runs, because an approval binds it or describe reads it. What is longer is
// answered with 413, and where Content-Length says so, before a byte of it is
// read, so that a client that sent Expect: 100-continue does not send it. The default is 1 MiB (1,048,576); n must be at least 1 and
// at most 16 MiB, since that much memory is held for each such request. A
// control plane takes 1 MiB.
func WithMaxBody(n int64) Option {
	if n < 1 || n > maxMaxBody {
		panic(fmt.Sprintf("middleware: WithMaxBody: %d is not between 1 and %d bytes", n, maxMaxBody))
	}
	return func(c *config) { c.maxBody = n }
}

// WithHeaders declares request headers that matter: an approval binds their
// values, and whoever approves sees them. The package's documentation lists those
// that are always bound. A header that overrides the method must be declared to
// be taken at all. Headers that carry credentials cannot be declared, nor can
// Aureus-Approval, which differs between asking and asking again.
func WithHeaders(names ...string) Option {
	headers := make([]string, len(names))
	for i, name := range names {
		headers[i] = headerName("WithHeaders", name)
		switch headers[i] {
		case "Authorization", "Proxy-Authorization", "Cookie":
			panic(fmt.Sprintf("middleware: WithHeaders: %s holds a secret, and who approves would see it", headers[i]))
		case ApprovalHeader:
			panic(fmt.Sprintf("middleware: WithHeaders: %s changes between asking and asking again", headers[i]))
		case "Host":
			panic("middleware: WithHeaders: the host is always bound")
		}
	}
	return func(c *config) {
		c.headers = slices.Compact(slices.Sorted(slices.Values(append(c.headers, headers...))))
	}
}

// WithChallenge sets the value of WWW-Authenticate in a 401 (RFC 9110, 11.6.1).
// The default is Bearer.
func WithChallenge(challenge string) Option {
	if challenge == "" {
		panic("middleware: WithChallenge: a 401 must name a scheme")
	}
	return func(c *config) { c.challenge = challenge }
}

// WithApprovalURL says where a caller polls for an approval, by the approval's
// id. Without it the answer names the URL that the decision carries, if any;
// give one where callers cannot reach that. An empty text names none.
func WithApprovalURL(url func(id string) string) Option {
	if url == nil {
		panic("middleware: WithApprovalURL: the function is nil")
	}
	return func(c *config) { c.approvalURL = url }
}

// WithOutcomes has record called once for every request that came to the guard,
// with what became of it: for an allowed one when the handler has returned or
// panicked (see [aureus.Outcome] for the words; a status of 400 and above is a
// failure with the status as its class), for another one as soon as it was
// refused, with the code of the answer as the class. Only what was seen counts: an
// allowed request whose handler wrote nothing through the writer that it was
// given, or took the connection over, is "unknown". One that wrote
// nothing succeeds where the writer is net/http's own, which then answers 200. A request that was refused
// before there was a decision gets an id of its own, which its answer names.
//
// record runs on the request's goroutine, before the last bytes of the answer
// are sent: hand the outcome to a bounded buffer. Its context carries the
// request's values and is never cancelled. It must be safe for concurrent use;
// a panic in it is not recovered.
//
// With this option, and only then, the handler's ResponseWriter is wrapped, and
// its request's body. The wrapper has exactly the optional interfaces of the
// original. That http.MaxBytesReader found the body too long, it hands on to
// net/http, which then closes the connection, with the answer: with every 413,
// and with every other error after which the body goes on.
func WithOutcomes(record func(context.Context, aureus.Outcome)) Option {
	if record == nil {
		panic("middleware: WithOutcomes: the function is nil")
	}
	return func(c *config) { c.record = record }
}

// WithLogger has every request that the guard refuses logged: at level Info what
// was denied, needs an approval, or was refused before it was decided (400, 401,
// 413), and at level Warn, with the cause, what could not be decided (503). The
// caller is never told the cause.
//
// A line holds the status and the code of the answer, the id of the decision, who
// asked for what (principal, on_behalf_of, action, tool), the rule, the approval,
// the method, the pattern of the route, and the trace id of a traceparent header
// (W3C Trace Context), each cut after 256 bytes. It holds no path, no query, no
// header, no body and no argument.
func WithLogger(logger *slog.Logger) Option {
	if logger == nil {
		panic("middleware: WithLogger: the logger is nil")
	}
	return func(c *config) { c.logger = logger }
}
