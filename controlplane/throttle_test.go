package controlplane_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// Who guesses keys is slowed down, and nobody else.
func TestFailuresToAuthenticateAreLimited(t *testing.T) {
	clock := newClock()
	srv := open(t, at(clock))
	_, good, err := srv.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "s", Role: controlplane.RoleService})
	require.NoError(t, err)
	ask := func(address, key string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/policy/approvals", http.NoBody)
		r.RemoteAddr = address
		r.Header.Set("Authorization", "Bearer "+key)
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w
	}
	for range 100 {
		require.Equal(t, http.StatusUnauthorized, ask("10.0.0.1:1000", "guess").Code)
	}
	refused := ask("10.0.0.1:2000", "guess")
	require.Equal(t, http.StatusTooManyRequests, refused.Code, "from another port too")
	require.Equal(t, "60", refused.Header().Get("Retry-After"))
	require.Equal(t, http.StatusOK, ask("10.0.0.1:1000", good).Code, "others behind the same proxy go on")
	require.Equal(t, http.StatusOK, ask("10.0.0.2:1000", good).Code)
	_, err = aureus.Collect(srv.Client().Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err, "nor the clients in the process")

	clock.Advance(61 * time.Second)
	require.Equal(t, http.StatusUnauthorized, ask("10.0.0.1:1000", "guess").Code)
	for range 200 {
		require.Equal(t, http.StatusOK, ask("10.0.0.1:1000", good).Code, "good keys are not counted")
	}
	for n := range 20_000 { // what is remembered is bounded
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/policy/approvals", http.NoBody)
		r.RemoteAddr = "fd00::" + string(rune('a'+n%26)) + time.Duration(n).String()
		srv.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.LessOrEqual(t, controlplane.Failing(srv), 10_000)
}
