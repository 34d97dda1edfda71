package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// ownFormat is a hook for the format of a service.
func ownFormat(_ *http.Request, p middleware.Problem) (contentType string, body []byte) {
	return "application/vnd.house+json", []byte(`{"error":"` + p.Code + `"}`)
}

func TestRefusal_Hook_ReplacesOnlyTheBody(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		decision   aureus.Decision
		err        error
		status     int
		code       string
		retryAfter string
		challenge  string
	}{
		{"denied", aureus.Decision{ReasonCode: aureus.ReasonPermissionDenied}, nil, 403, "PERMISSION_DENIED", "", ""},
		{"a person is asked", aureus.Decision{Effect: aureus.RequireApproval, ReasonCode: aureus.ReasonHighRisk}, nil, 403, "HIGH_NEEDS_HUMAN_APPROVAL", "", ""},
		{"a budget", aureus.Decision{ReasonCode: aureus.ReasonBudgetExceeded, RetryAfter: 90*time.Second + 1}, nil, 429, "BUDGET_EXCEEDED", "91", ""},
		{"undecided", aureus.Decision{}, errBroken, 503, "UNDECIDED", "5", ""},
		{"nobody", aureus.Decision{}, middleware.ErrNoIdentity, 401, "AUTHENTICATION_FAILED", "", "Bearer"},
	} {
		t.Run(row.name, func(t *testing.T) {
			describe := about(small)
			if row.status == http.StatusUnauthorized {
				describe = func(*http.Request) (aureus.Request, error) { return aureus.Request{}, row.err }
			}
			handler := middleware.Enforce(saying(row.decision, row.err), describe, middleware.Options{Refusal: ownFormat})(unreachable(t))
			w := httptest.NewRecorder()
			w.Header().Set("Content-Length", "5")
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, row.status, w.Code)
			require.Equal(t, `{"error":"`+row.code+`"}`, w.Body.String())
			h := w.Header()
			require.Equal(t, "application/vnd.house+json", h.Get("Content-Type"))
			require.Equal(t, "no-store", h.Get("Cache-Control"))
			require.Equal(t, "nosniff", h.Get("X-Content-Type-Options"))
			require.Equal(t, row.retryAfter, h.Get("Retry-After"))
			require.Equal(t, row.challenge, h.Get("WWW-Authenticate"))
			require.Empty(t, h.Get("Content-Length"))
		})
	}
}

// A function that says that nothing is wrong changes neither the status nor the headers.
func TestRefusal_HookThatSaysOK_IsStillARefusal(t *testing.T) {
	t.Parallel()
	hook := func(*http.Request, middleware.Problem) (string, []byte) { return "text/plain; status=200", nil }
	w := httptest.NewRecorder()
	middleware.Enforce(saying(aureus.Decision{}, nil), about(small), middleware.Options{Refusal: hook})(unreachable(t)).
		ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Empty(t, w.Body.String())
}

func TestRefusal_HookWithoutAContentType_LeavesTheStandardBody(t *testing.T) {
	t.Parallel()
	hook := func(*http.Request, middleware.Problem) (string, []byte) { return "", []byte("ignored") }
	handler := middleware.Enforce(saying(aureus.Decision{}, nil), about(small), middleware.Options{Refusal: hook})(unreachable(t))
	require.Equal(t, "DENIED", refusal(t, handler, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusForbidden).Code)
}

func TestRefusal_HookThatPanics_LetsNothingPass(t *testing.T) {
	t.Parallel()
	hook := func(*http.Request, middleware.Problem) (string, []byte) { panic("hook") }
	handler := middleware.Enforce(saying(aureus.Decision{}, nil), about(small), middleware.Options{Refusal: hook})(unreachable(t))
	w := httptest.NewRecorder()
	require.PanicsWithValue(t, "hook", func() { handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil)) })
}

func TestRefusal_WriteErrorBehindAGuard_UsesTheHook(t *testing.T) {
	t.Parallel()
	handler := middleware.Enforce(allow, about(small), middleware.Options{Refusal: ownFormat})(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { middleware.WriteError(w, r, middleware.ErrStale) }))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusPreconditionFailed, w.Code)
	require.JSONEq(t, `{"error":"PRECONDITION_FAILED"}`, w.Body.String())
}

// The remedy of a rule is for the caller; the remedy of a rule in shadow mode is not, since the
// rule did not decide.
func TestEnforce_RemedyOfARule_IsShown(t *testing.T) {
	t.Parallel()
	decision := aureus.Decision{ReasonCode: aureus.ReasonRuleDenied, Matched: []aureus.RuleMatch{
		{Rule: "hunter2", Reason: "hunter2"}, {Rule: "night", Reason: "hunter2", Remedy: "try after 06:00"}, {Remedy: "hunter2", Shadow: true},
	}}
	handler := middleware.Enforce(saying(decision, nil), about(small))(unreachable(t))
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	require.NotContains(t, w.Body.String(), "hunter2")
	require.Equal(t, "try after 06:00", readProblem(t, w.Code, w.Header(), w.Body).Remediation)

	decision.Matched = []aureus.RuleMatch{{Remedy: "hunter2", Shadow: true}}
	p := refusal(t, middleware.Enforce(saying(decision, nil), about(small))(unreachable(t)), httptest.NewRequest(http.MethodGet, "/", nil), http.StatusForbidden)
	require.Empty(t, p.Remediation)
}
