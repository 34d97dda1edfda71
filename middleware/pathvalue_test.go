package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/current"
	"github.com/farmountain/aureus-go/middleware"
)

// A ServeMux cleans a path, but not what is escaped in it. A handler that opens a file by such
// a value would read another name than the policy.
func TestEnforceRoutes_PathValueWithEscapedDots_IsRefused(t *testing.T) {
	t.Parallel()
	mux := servingMux(bare, "GET /files/{path...}", "GET /accounts/{id}", "GET /static/{path...}")
	table := guard.Routes{bound("GET /files/{path...}", "files"), bound("GET /accounts/{id}", "account"), open("GET /static/{path...}")}
	handler := middleware.EnforceRoutes(allow, known, table)(mux)
	for target, status := range map[string]int{
		"/files/a/%2e%2e/secret": 400, "/files/%2E": 400, "/files/a/..%2Fb": 400, "/files/a%2F.": 400, "/accounts/%2e%2e": 400, "/accounts/a%2F..%2Fb": 400,
		"/files/a/b..": 200, "/files/.../x": 200, "/files/": 200, "/files/a/b/": 200, "/accounts/a%2Fb": 200, "/accounts/https%3A%2F%2Fexample.com": 200,
		"/static/%2e%2e/x": 200, // an open route has no arguments
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, sent(t, "GET", "x", target))
		require.Equal(t, status, w.Code, target)
	}
}

// An adapter for a router refuses a request by leaving out its pattern.
func TestEnforce_RequestThatAnAdapterRefuses_GetsTheReason(t *testing.T) {
	t.Parallel()
	for name, handler := range map[string]http.Handler{
		"Enforce":       middleware.Enforce(allow, about(small))(bare),
		"EnforceRoutes": middleware.EnforceRoutes(allow, known, guard.Routes{bound("GET /x", "x")})(bare),
	} {
		r := sent(t, "GET", "x", "/x")
		r = r.WithContext(context.WithValue(r.Context(), current.Refused{}, "it is not clear"))
		p := refusal(t, handler, r, http.StatusBadRequest)
		require.Equal(t, "it is not clear", p.Errors[0].Detail, name)
		r.Pattern = "GET /x"
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, http.StatusOK, w.Code, name)
	}
}
