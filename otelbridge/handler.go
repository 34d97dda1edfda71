package otelbridge

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// NewHandler stacks what an instrumented and guarded server needs, in the order
// in which it works: otelhttp, then recovery from panics, then protect, then mux.
// So the span exists before the guard is asked, a refusal is recorded like any
// other answer, and a panic neither loses the request's metrics nor goes unseen.
//
// protect is the guard, for example what package middleware makes of a decider;
// it is handed mux itself. mux is an [*http.ServeMux] or any other handler that
// sets [http.Request.Pattern]. The options are otelhttp's. Without
// [otelhttp.WithServerName] the server's address in metrics is the client's Host
// header, and every name that a client makes up is a series of its own.
//
// The span and the metrics get http.route, and an answer of 500 and above gets
// error.type. A panic is logged where the [http.Server] logs, recorded as an
// exception event, and answered with 500; if the answer has begun, the connection
// is aborted instead, so that the client does not take a part for the whole.
// [http.ErrAbortHandler] passes through.
//
// It panics if mux or protect is nil: a server must not run unguarded by mistake.
func NewHandler(mux http.Handler, protect func(http.Handler) http.Handler, options ...otelhttp.Option) http.Handler {
	if mux == nil || protect == nil {
		panic("otelbridge: NewHandler needs a mux and a guard")
	}
	protected := protect(mux)
	if protected == nil {
		panic("otelbridge: NewHandler: the guard made no handler")
	}
	instrument := otelhttp.NewMiddleware("http.server", options...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &exchange{next: protected}
		instrument(x).ServeHTTP(w, r)
		if x.aborted {
			panic(http.ErrAbortHandler)
		}
	})
}
