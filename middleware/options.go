package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Options change how [Enforce] works. Each field whose value is zero has the default
// that is stated there, so the zero Options change nothing.
type Options struct {
	// Outcomes is called once for every request that reached the guard, with what
	// became of it. nil records nothing.
	//
	// For an allowed request it is called when the handler has returned or panicked;
	// a status of 400 and above is a failure, with the status as its class. For any
	// other request it is called as soon as it is refused, with the code of the
	// response as the class. The field Status of [aureus.Outcome] lists the words. A request that was
	// refused before it was decided gets a decision id of its own, which the response
	// names too.
	//
	// Only what the guard saw counts. If the handler wrote nothing through the writer
	// that it was given, or took the connection over, the outcome is
	// "unknown". A handler that wrote nothing succeeded if the writer is
	// net/http's own, which then responds with 200.
	//
	// The function runs on the goroutine of the request, before the last bytes of the
	// response are sent, so it must not block: put the outcome into a buffer with a
	// limit, as [aureus.Recorder] does. Its context has the values of the request's
	// and is never cancelled. It must be safe for concurrent use, and a panic in it is
	// not recovered.
	//
	// If Outcomes is set, and only then, the handler's ResponseWriter and the body of
	// its request are wrapped. The wrapper has exactly the optional interfaces of the
	// original. When http.MaxBytesReader finds a body too long, net/http is told with
	// the response and closes the connection: for every 413, and for every other error
	// while the body has more to read.
	Outcomes func(context.Context, aureus.Outcome)

	// Logger gets a line for every request that the guard refuses. nil logs nothing.
	//
	// The level is Info for a request that was denied, that needs an approval, or that
	// was refused before it was decided (400, 401, 413). It is Warn, with the cause,
	// for one that could not be decided (503). The response never shows the cause.
	//
	// A line has the status and the code of the response, the id of the decision, who
	// asked for what (principal, on_behalf_of, action, tool), the rule, the approval,
	// the method, the pattern of the route, and the trace id of a traceparent header
	// (W3C Trace Context), each cut after 256 bytes. It has no path, query, header,
	// body or argument.
	Logger *slog.Logger

	// Headers are names of request headers that an approval binds, besides those that
	// are always bound: the package documentation lists them. Whoever approves sees the
	// values. Upper and lower case are the same. A header that overrides the method is
	// refused unless it is listed here.
	//
	// Authorization, Proxy-Authorization and Cookie are not allowed, because they hold
	// credentials, nor are Host, which is always bound, and Aureus-Approval, which the
	// second request has and the first one has not.
	Headers []string

	// MaxBody is how many bytes of a body are read before the handler runs, when an
	// approval binds the body or describe reads it. A longer body gets 413; if
	// Content-Length says so, before a byte of it is read, so that a client that sent
	// Expect: 100-continue does not send it. 0 is 1 MiB (1,048,576), which is also what
	// a control plane accepts. It is at most 16 MiB, because each such request holds
	// that much memory.
	MaxBody int64

	// Challenge is the value of WWW-Authenticate in a 401 (RFC 9110, 11.6.1). Empty is
	// Bearer.
	Challenge string

	// ApprovalURL returns the URL at which a caller polls for the approval with that
	// id. If it returns "", the response has no URL. nil puts the URL that the decision
	// has, if any, into the response: set the function if callers cannot reach that.
	ApprovalURL func(id string) string
}

const defaultChallenge = "Bearer"

// newOptions checks the options of Enforce and fills in the defaults.
func newOptions(given []Options) Options {
	if len(given) > 1 {
		panic(fmt.Sprintf("middleware: Enforce: there are %d Options; put all fields into one", len(given)))
	}
	var o Options
	if len(given) == 1 {
		o = given[0]
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.MaxBody < 1 || o.MaxBody > maxMaxBody {
		panic(fmt.Sprintf("middleware: Options.MaxBody: %d is not between 1 and %d bytes", o.MaxBody, maxMaxBody))
	}
	if o.Challenge == "" {
		o.Challenge = defaultChallenge
	}
	o.Headers = canonicalHeaders(o.Headers)
	return o
}

// canonicalHeaders are the names in canonical form, sorted, each once.
func canonicalHeaders(names []string) []string {
	headers := make([]string, len(names))
	for i, name := range names {
		headers[i] = headerName("Options.Headers", name)
		switch headers[i] {
		case "Authorization", "Proxy-Authorization", "Cookie":
			panic(fmt.Sprintf("middleware: Options.Headers: %s holds a secret, and whoever approves would see it", headers[i]))
		case ApprovalHeader:
			panic(fmt.Sprintf("middleware: Options.Headers: %s differs between the first request and the second", headers[i]))
		case "Host":
			panic("middleware: Options.Headers: the host is always bound")
		}
	}
	slices.Sort(headers)
	return slices.Compact(headers)
}
