package controlplane_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// A client that guesses keys is throttled, and no other client.
func TestAuthentication_ManyFailures_AreLimited(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
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
	require.Equal(t, http.StatusTooManyRequests, refused.Code, "also from another port")
	require.Equal(t, "60", refused.Header().Get("Retry-After"))
	require.Equal(t, http.StatusOK, ask("10.0.0.1:1000", good).Code, "other clients behind the same proxy are still served")
	require.Equal(t, http.StatusOK, ask("10.0.0.2:1000", good).Code)
	_, err = aureus.Collect(srv.Client().Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err, "clients in the process are still served")

	clock.Advance(61 * time.Second)
	require.Equal(t, http.StatusUnauthorized, ask("10.0.0.1:1000", "guess").Code)
	for range 200 {
		require.Equal(t, http.StatusOK, ask("10.0.0.1:1000", good).Code, "good keys are not counted")
	}
	for n := range 20_000 { // the number of remembered addresses is limited
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/policy/approvals", http.NoBody)
		r.RemoteAddr = "fd00::" + string(rune('a'+n%26)) + time.Duration(n).String()
		srv.ServeHTTP(httptest.NewRecorder(), r)
	}
	require.LessOrEqual(t, controlplane.Failing(srv), 10_000)
}

// An IPv6 client has all addresses of its /64 network, so the network counts as one
// address. Failures from many networks do not make the throttle drop recent addresses.
func TestFailuresToAuthenticate_IPv6Networks_CountOnceEach(t *testing.T) {
	clock := newClock()
	srv := open(t, quiet, at(clock))
	ask := func(address string) int {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/policy/approvals", http.NoBody)
		r.RemoteAddr = address
		r.Header.Set("Authorization", "Bearer guess")
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		return w.Code
	}
	for n := range 100 {
		require.Equal(t, http.StatusUnauthorized, ask(fmt.Sprintf("[2001:db8::%x]:1000", n+1)))
	}
	require.Equal(t, http.StatusTooManyRequests, ask("[2001:db8::ffff:1]:1"))
	require.Equal(t, http.StatusUnauthorized, ask("[2001:db8:0:1::1]:1"), "another network")
	require.Equal(t, 2, controlplane.Failing(srv))

	clock.Advance(time.Second)
	for n := range 9_999 {
		ask(fmt.Sprintf("[2001:db8:%x:2::1]:1000", n))
		if n == 9_997 {
			require.Equal(t, http.StatusUnauthorized, ask("[2001:db8:0:1::1]:1"), "the last one before the limit, still remembered")
		}
	}
	require.Equal(t, 10_000, controlplane.Failing(srv), "each new one replaces the oldest")
	for range 100 {
		ask("[2001:db8:5000:2::1]:1")
	}
	require.Equal(t, http.StatusTooManyRequests, ask("[2001:db8:5000:2::1]:1"))
	for n := range 100 {
		ask(fmt.Sprintf("[2001:db8:%x:3::1]:1000", n))
	}
	require.Equal(t, http.StatusTooManyRequests, ask("[2001:db8:5000:2::1]:1"), "still remembered although more than 10,000 addresses have failed")
}
