package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"

	"github.com/farmountain/aureus-go/aureus"
)

// Options has the optional settings of [Enforce], [EnforceRoutes] and [ApprovalStatus]. The
// zero value of each field means the default that its comment states.
type Options struct {
	// Outcomes is called once for every request that reached the guard, with the outcome
	// of the request. nil records nothing.
	//
	// For an allowed request it is called when the handler has returned or panicked;
	// a status of 400 and above is a failure, with the status as its class. For any
	// other request it is called as soon as it is refused, with the code of the
	// response as the class. The field Status of [aureus.Outcome] lists the statuses. A
	// request that was refused before the decision gets a new decision id, which is also in
	// the response.
	//
	// The outcome depends only on what the guard sees. If the handler wrote nothing through
	// the writer that it got, or hijacked the connection, the outcome is "unknown". But if
	// that writer is net/http's own, a handler that wrote nothing succeeded, because
	// net/http then responds with 200.
	//
	// The function runs on the goroutine of the request, before the last bytes of the
	// response are sent, so it must not block: put the outcome into a buffer with a
	// limit, as [aureus.Recorder] does. Its context has the values of the request's
	// and is never cancelled. It must be safe for concurrent use, and a panic in it is
	// not recovered.
	//
	// If Outcomes is set, and only then, the handler's ResponseWriter and the body of
	// its request are wrapped. The wrapper has exactly the optional interfaces of the
	// original. If http.MaxBytesReader stops reading a body that is too long, net/http
	// closes the connection after the response: for every 413, and for every other error
	// response if the body was not read to its end.
	Outcomes func(context.Context, aureus.Outcome)

	// Logger gets a line for every request that the guard refuses. nil logs nothing.
	//
	// The level is Info for a request that was denied, that needs an approval, or that
	// was refused before the decision (400, 401, 413). It is Warn, with the cause, for a
	// request that could not be decided (503). The response never shows the cause.
	//
	// A line has the status and the code of the response, the id of the decision, the
	// principal, on_behalf_of, the action, the tool, the rule, the bundle, the approval, the
	// method, the pattern of the route, and the trace id of a traceparent header (W3C Trace
	// Context), each cut after 256 bytes. It has no path, query, header, body or argument.
	Logger *slog.Logger

	// Headers has names of request headers that an approval binds, in addition to the
	// headers that are always bound, which the package documentation lists. The approver
	// sees the values. The names are not case-sensitive. A header that overrides the method
	// is refused unless it is listed here.
	//
	// Not allowed are Authorization, Proxy-Authorization and Cookie, because they contain
	// credentials; Host, which is always bound; and Aureus-Approval, which only the second
	// request has.
	Headers []string

	// MaxBody is the maximum number of bytes of a body that are read before the handler
	// runs, when an approval binds the body or describe reads it. The response to a longer
	// body is 413. If Content-Length is above the limit, no byte of the body is read, so a
	// client that sent Expect: 100-continue does not send it. 0 means 1 MiB (1,048,576),
	// which is also the limit of a control plane. The maximum is 16 MiB, because each such
	// request needs that much memory.
	MaxBody int64

	// MaxStreamed is the maximum number of bytes of a body above MaxBody that an approval can
	// bind: the guard puts the rest of such a body into a temporary file, which only this
	// process can open, hashes it as it comes, and the handler reads it from there. The
	// approver sees the number and the SHA-256 of the bytes, and for a multipart/form-data
	// body that of each part above 4 KiB. It applies only if an approval is needed or was
	// presented: every other body goes to the handler as it comes. 0 means that a body
	// above MaxBody is refused with 413 in these cases. The maximum is 1 TiB.
	//
	// The files are in the folder of [os.TempDir], and at most 32 bodies of a process are in
	// files at the same time; another one gets 503. So the disk needs 32 times MaxStreamed.
	MaxStreamed int64

	// SecretQuery has the names of query parameters that are credentials, such as
	// "access_token" or "X-Amz-Signature". Their values are neither bound nor recorded: an
	// approval binds the query with "hidden" in their place, so that a request that was
	// approved may be sent again with another credential, and they are no arguments of
	// [EnforceRoutes]. The names are case-sensitive. Nothing else may depend on such a
	// parameter: list only those that authenticate. A request that has one of them twice, or
	// one with a semicolon, is refused with 400.
	SecretQuery []string

	// Pattern returns the pattern of the route that a request takes, for a router that does
	// not set r.Pattern, such as "GET /accounts/{id}". It returns "" for a request without a
	// route. The guard sets r.Pattern to the result before it asks for anything else, so the
	// router must have selected the route before the guard runs, and its path values must be
	// set with r.SetPathValue. nil means that r.Pattern is already set, or that the guard
	// protects a ServeMux, which it asks.
	Pattern func(*http.Request) string

	// Challenge is the value of WWW-Authenticate in a 401 (RFC 9110, 11.6.1). Empty means
	// Bearer.
	Challenge string

	// Refusal returns the body of a refusal in the format of the service: its Content-Type
	// and its bytes. With an empty Content-Type the body is the standard one. nil means the
	// standard body for each refusal.
	//
	// The status is always that of the problem, and the headers are those of a refusal:
	// Cache-Control, X-Content-Type-Options and, where the problem has them, WWW-Authenticate
	// and Retry-After. So the function cannot let a request pass. It must not read the
	// body of the request, must be safe for concurrent use, and a panic in it is not
	// recovered.
	Refusal func(r *http.Request, p Problem) (contentType string, body []byte)

	// ApprovalURL returns the URL at which a caller polls for the approval with that
	// id. If it returns "", the response has no URL. If ApprovalURL is nil, the URL is the
	// path of [ApprovalStatus] if the mux behind EnforceRoutes serves it, and otherwise the
	// URL of the decision, if any; set the function if callers cannot reach that URL.
	ApprovalURL func(id string) string

	statusURL func(id string) string // of the mux behind EnforceRoutes; nil without one
}

const defaultChallenge = "Bearer"

// newOptions checks the options of a guard or a handler, and fills in the defaults.
func newOptions(given []Options) Options {
	if len(given) > 1 {
		panic(fmt.Sprintf("middleware: there are %d Options; put all fields into one", len(given)))
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
	if o.MaxStreamed != 0 && (o.MaxStreamed <= o.MaxBody || o.MaxStreamed > maxMaxStreamed) {
		panic(fmt.Sprintf("middleware: Options.MaxStreamed: %d is not 0 and not between MaxBody (%d) and %d bytes", o.MaxStreamed, o.MaxBody, int64(maxMaxStreamed)))
	}
	if slices.Contains(o.SecretQuery, "") {
		panic("middleware: Options.SecretQuery: a name is empty")
	}
	o.SecretQuery = slices.Clone(o.SecretQuery)
	if o.Challenge == "" {
		o.Challenge = defaultChallenge
	}
	o.Headers = canonicalHeaders(o.Headers)
	return o
}

// canonicalHeaders returns the names in canonical form, sorted, each once.
func canonicalHeaders(names []string) []string {
	headers := make([]string, len(names))
	for i, name := range names {
		headers[i] = headerName("Options.Headers", name)
		switch headers[i] {
		case "Authorization", "Proxy-Authorization", "Cookie":
			panic(fmt.Sprintf("middleware: Options.Headers: %s holds a secret, and the approver would see it", headers[i]))
		case ApprovalHeader:
			panic(fmt.Sprintf("middleware: Options.Headers: %s differs between the first request and the second", headers[i]))
		case "Host":
			panic("middleware: Options.Headers: the host is always bound")
		}
	}
	slices.Sort(headers)
	return slices.Compact(headers)
}
