package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/middleware"
)

var errBroken = errors.New("broken: password=hunter2")

// Every result that is not an allow has a row here. No row may reach the handler.
func TestEnforce_FailClosedCases_AreRefused(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errBroken)
	late, stop := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer stop()
	var nilClient *aureus.Client
	var nilLocal *guard.Local

	type describe = func(*http.Request) (aureus.Request, error)
	failing := func(err error) describe {
		return func(*http.Request) (aureus.Request, error) { return small, err } // with a request that would pass
	}
	header := func(values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[middleware.ApprovalHeader] = values }
	}
	rows := []struct {
		name     string
		decider  guard.Decider // nil means one that allows
		describe describe      // nil means one whose request may pass
		change   func(*http.Request)
		status   int
		code     string
	}{
		// The decider.
		{name: "the zero decision", decider: saying(aureus.Decision{}, nil), status: 403, code: "DENIED"},
		{name: "a denial", decider: saying(aureus.Decision{Effect: aureus.Deny, ReasonCode: aureus.ReasonToolRequired}, nil), status: 403, code: "TOOL_REQUIRED"},
		{name: "an approval is required", decider: saying(aureus.Decision{Effect: aureus.RequireApproval}, nil), status: 403, code: "APPROVAL_REQUIRED"},
		{name: "an unknown effect", decider: saying(aureus.Decision{Effect: 3}, nil), status: 503, code: "UNDECIDED"},
		{name: "the highest effect", decider: saying(aureus.Decision{Effect: 255}, nil), status: 503, code: "UNDECIDED"},
		{name: "an allow with an error", decider: saying(aureus.Decision{Effect: aureus.Allow}, errBroken), status: 503, code: "UNDECIDED"},
		{name: "ErrNoIdentity from the decider", decider: saying(aureus.Decision{Effect: aureus.Allow}, middleware.ErrNoIdentity), status: 503, code: "UNDECIDED"},
		{name: "an Invalid from the decider", decider: saying(aureus.Decision{Effect: aureus.Allow}, &middleware.Invalid{}), status: 503, code: "UNDECIDED"},
		{name: "a panic", decider: guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) { panic(errBroken) }), status: 503, code: "UNDECIDED"},
		{name: "a nil function", decider: guard.DeciderFunc(nil), status: 503, code: "UNDECIDED"},
		{name: "a nil client", decider: nilClient, status: 503, code: "UNDECIDED"},
		{name: "a nil local guard", decider: nilLocal, status: 503, code: "UNDECIDED"},
		{name: "too many approvals are pending", decider: saying(aureus.Decision{ReasonCode: aureus.ReasonTooManyPending}, nil), status: 429, code: "TOO_MANY_PENDING_APPROVALS"},
		{name: "too many approvals are pending, as an error", decider: saying(aureus.Decision{Effect: aureus.Allow}, aureus.ReasonTooManyPending.Err()), status: 429, code: "TOO_MANY_PENDING_APPROVALS"},
		{name: "an allow after the body was too large", decider: guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
			_, err := request.HTTP.Load()
			if err == nil {
				return aureus.Decision{}, errors.New("the body was to be too large")
			}
			return aureus.Decision{Effect: aureus.Allow}, nil
		}), change: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 1<<20+1))), -1
		}, status: 413, code: "BODY_TOO_LARGE"},
		{name: "an allow after an incomplete body", decider: guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
			_, _ = request.HTTP.Load()
			return aureus.Decision{Effect: aureus.Allow}, nil
		}), change: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("x"), errorReader{errBroken})), -1
		}, status: 400, code: "VALIDATION_ERROR"},
		{name: "a denial after the body could not be read", decider: guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
			_, _ = request.HTTP.Load()
			return aureus.Decision{ReasonCode: aureus.ReasonToolRequired}, nil
		}), change: func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(errorReader{errBroken}), -1
		}, status: 403, code: "TOOL_REQUIRED"},

		// The request.
		{name: "a cancelled request", change: func(r *http.Request) { *r = *r.WithContext(cancelled) }, status: 503, code: "UNDECIDED"},
		{name: "a request past its deadline", change: func(r *http.Request) { *r = *r.WithContext(late) }, status: 503, code: "UNDECIDED"},
		{name: "two approvals", change: header("apr_00000000000000000000000000", "apr_00000000000000000000000001"), status: 400, code: "VALIDATION_ERROR"},
		{name: "the same approval twice", change: header("apr_00000000000000000000000000", "apr_00000000000000000000000000"), status: 400, code: "VALIDATION_ERROR"},
		{name: "two approvals in one header", change: header("apr_00000000000000000000000000, apr_00000000000000000000000001"), status: 400, code: "VALIDATION_ERROR"},
		{name: "an approval with an invalid id", change: header("approval-1-2-3"), status: 400, code: "VALIDATION_ERROR"},
		{name: "an empty approval", change: header(""), status: 400, code: "VALIDATION_ERROR"},

		// describe.
		{name: "describe returns no principal", describe: about(aureus.Request{Action: small.Action}), status: 401, code: "AUTHENTICATION_FAILED"},
		{name: "describe returns ErrNoIdentity", describe: failing(fmt.Errorf("%w: %w", middleware.ErrNoIdentity, errBroken)), status: 401, code: "AUTHENTICATION_FAILED"},
		{name: "describe has no principal in its context", describe: func(r *http.Request) (aureus.Request, error) {
			who, err := middleware.PrincipalFromContext(r.Context())
			return aureus.Request{Principal: who, Action: small.Action}, err
		}, status: 401, code: "AUTHENTICATION_FAILED"},
		{name: "describe returns ErrInvalid", describe: failing(fmt.Errorf("%w: %w", aureus.ErrInvalid, errBroken)), status: 400, code: "VALIDATION_ERROR"},
		{name: "describe returns an Invalid", describe: failing(&middleware.Invalid{Pointer: "/amount", Reason: "must be a number"}), status: 400, code: "VALIDATION_ERROR"},
		{name: "describe returns another error", describe: failing(errBroken), status: 503, code: "UNDECIDED"},
		{name: "describe asks the control plane, which refuses", describe: failing(&aureus.Error{Op: "Approval", StatusCode: 422}), status: 503, code: "UNDECIDED"},
		{name: "describe asks a guard, which refuses", describe: failing(&guard.Refusal{}), status: 403, code: "DENIED"},
		{name: "describe asks a guard, which cannot decide", describe: failing(guard.ErrUndecided), status: 503, code: "UNDECIDED"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			decider, describe := row.decider, row.describe
			if decider == nil {
				decider = allow
			}
			if describe == nil {
				describe = about(small)
			}
			for name, handler := range map[string]http.Handler{
				"one route":   middleware.Enforce(decider, describe)(unreachable(t)),
				"a whole mux": middleware.Enforce(decider, describe)(muxOf("/", unreachable(t))),
				"with outcomes": middleware.Enforce(decider, describe,
					middleware.Options{Outcomes: func(_ context.Context, o aureus.Outcome) {
						require.Equal(t, vocab.OutcomeRefused, o.Status)
						require.Equal(t, row.code, o.ErrorClass)
						require.False(t, o.DecisionID.IsZero())
					}})(unreachable(t)),
			} {
				t.Run(name, func(t *testing.T) {
					r := httptest.NewRequest(http.MethodPost, "/", nil)
					if row.change != nil {
						row.change(r)
					}
					p := refusal(t, handler, r, row.status)
					require.Equal(t, row.code, p.Code)
					require.NotContains(t, fmt.Sprint(p), "hunter2")
				})
			}
		})
	}
}

// The guard passes the panic on, so that only net/http or the program recovers it. The
// handler is not reached.
func TestEnforce_PanicInDescribe_PassesThrough(t *testing.T) {
	outcomes := &outcomes{}
	for name, handler := range map[string]http.Handler{
		"without outcomes": middleware.Enforce(allow, func(*http.Request) (aureus.Request, error) { panic(errBroken) })(unreachable(t)),
		"with outcomes": middleware.Enforce(allow, func(*http.Request) (aureus.Request, error) { panic(errBroken) },
			middleware.Options{Outcomes: outcomes.record})(unreachable(t)),
	} {
		t.Run(name, func(t *testing.T) {
			require.PanicsWithValue(t, errBroken, func() {
				handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
			})
		})
	}
	o := outcomes.only(t)
	require.Equal(t, vocab.OutcomePanicked, o.Status)
	require.Equal(t, "panic", o.ErrorClass)
}

// If describe ends the goroutine of the request, the request is not allowed.
func TestEnforce_GoexitInDescribe_DoesNotReachTheHandler(t *testing.T) {
	t.Parallel()
	outcomes := &outcomes{}
	handler := middleware.Enforce(allow, func(*http.Request) (aureus.Request, error) { runtime.Goexit(); return small, nil },
		middleware.Options{Outcomes: outcomes.record})(unreachable(t))
	done := make(chan struct{})
	go func() {
		defer close(done)
		handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	<-done
	require.Equal(t, "goexit", outcomes.only(t).ErrorClass)
}

// Invalid arguments are found when the program starts.
func TestEnforce_InvalidArguments_Panic(t *testing.T) {
	rows := []struct {
		name    string
		build   func()
		message string
	}{
		{"no decider", func() { middleware.Enforce(nil, about(small)) }, "decider is nil"},
		{"no describe", func() { middleware.Enforce(allow, nil) }, "describe is nil"},
		{"two options", func() { middleware.Enforce(allow, about(small), middleware.Options{}, middleware.Options{}) }, "put all fields into one"},
		{"no handler", func() { middleware.Enforce(allow, about(small))(nil) }, "handler is nil"},
		{"a nil mux", func() { middleware.Enforce(allow, about(small))((*http.ServeMux)(nil)) }, "mux is nil"},
		{"a negative limit", func() { middleware.Enforce(allow, about(small), middleware.Options{MaxBody: -1}) }, "not between"},
		{"a limit above the maximum", func() { middleware.Enforce(allow, about(small), middleware.Options{MaxBody: 16<<20 + 1}) }, "not between"},
		{"a header without a name", func() { middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{""}}) }, "needs a name"},
		{"a header with a space", func() { middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{"If Match"}}) }, "not a valid header name"},
		{"a header with a colon", func() { middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{":path"}}) }, "not a valid header name"},
		{"credentials", func() {
			middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{"authorization"}})
		}, "holds a secret"},
		{"cookies", func() { middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{"cookie"}}) }, "holds a secret"},
		{"the approval", func() {
			middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{"aureus-approval"}})
		}, "differs between"},
		{"the host", func() { middleware.Enforce(allow, about(small), middleware.Options{Headers: []string{"host"}}) }, "always bound"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			defer func() {
				message, ok := recover().(string)
				require.True(t, ok, "it must panic with a string")
				require.True(t, strings.HasPrefix(message, "middleware: "), message)
				require.Contains(t, message, row.message)
			}()
			row.build()
		})
	}
	for _, fine := range []middleware.Options{{}, {MaxBody: 1}, {MaxBody: 16 << 20}} {
		require.NotPanics(t, func() { middleware.Enforce(allow, about(small), fine) })
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

func muxOf(pattern string, handler http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle(pattern, handler)
	return mux
}
