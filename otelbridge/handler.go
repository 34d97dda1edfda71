package otelbridge

import (
	"net/http"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// NewHandler returns the handler of an instrumented and guarded server. A request
// passes otelhttp, recovery from panics, protect and mux, in this order. So the
// span exists before the guard decides, a denial is recorded like any other
// response, and a panic is recorded in span and metrics.
//
// protect returns the guarded handler, for example middleware.Enforce of a
// decider; its argument is mux itself. mux is an [*http.ServeMux] or another
// handler that sets [http.Request.Pattern]. The options are those of otelhttp. Set
// [otelhttp.WithServerName]: without it, the metrics contain the Host header of
// the client, so that a client can create any number of series.
//
// Span and metrics have the attribute http.route and, for a status of 500 and
// above, error.type. A panic is logged to the ErrorLog of the [http.Server],
// recorded as an exception event, and answered with status 500. If the response
// has begun, the connection is aborted instead, so that the client does not
// mistake a part for the whole response. [http.ErrAbortHandler] is passed on.
//
// NewHandler panics if mux or protect is nil, or if protect returns nil.
func NewHandler(mux http.Handler, protect func(http.Handler) http.Handler, options ...otelhttp.Option) http.Handler {
	if mux == nil || protect == nil {
		panic("otelbridge: NewHandler: mux and protect must not be nil")
	}
	protected := protect(mux)
	if protected == nil {
		panic("otelbridge: NewHandler: protect returned a nil handler")
	}
	instrument := otelhttp.NewMiddleware("http.server", options...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		state := &requestState{next: protected}
		instrument(state).ServeHTTP(w, r)
		if state.aborted {
			panic(http.ErrAbortHandler)
		}
	})
}
