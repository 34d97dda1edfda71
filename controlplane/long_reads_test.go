package controlplane_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

// The routes with long reads.
var longReads = []string{
	"/api/v1/observability/summary", "/api/v1/observability/events", "/api/v1/observability/metrics?tags=%7B%22a%22%3A%22b%22%7D", "/api/v1/observability/traces/t",
	"/api/v1/audit", "/api/v1/audit/verify", "/api/v1/audit/export", "/api/v1/policy/approvals", "/api/v1/crv/validators",
}

// A read that takes too long is stopped, and the error says what to do.
func TestLongReads_BeyondTheirTime_AreGivenUp(t *testing.T) {
	srv := open(t, quiet)
	key := newKey(t, srv, controlplane.RoleAdmin, "ada")
	for _, path := range longReads {
		require.Equal(t, http.StatusOK, raw{method: "GET", path: path, key: key}.do(t, srv).status, path)
	}
	controlplane.SetLongRead(srv, -1)
	for _, path := range longReads {
		got := raw{method: "GET", path: path, key: key}.do(t, srv).refusal(t, http.StatusServiceUnavailable, "RESOURCE_EXHAUSTED")
		require.Contains(t, got["error"], "longer than", path)
		require.Contains(t, got["remediation"], "shorter time range", path)
	}
	require.Equal(t, http.StatusOK, raw{path: "/api/v1/policy/check", body: checkBody, key: key}.do(t, srv).status, "short reads are still served")
	require.Equal(t, http.StatusOK, raw{method: "GET", path: "/readyz"}.do(t, srv).status)
	require.Zero(t, controlplane.Governor(srv).Reads.InUse())
	require.Zero(t, controlplane.Governor(srv).Audit.InUse())
}

// Long reads of one tenant do not block those of another. A request that waits too long
// for a place gets an error.
func TestLongReads_OfOneTenant_LeaveOthersATurn(t *testing.T) {
	srv := open(t, quiet)
	hostile := newKey(t, srv, controlplane.RoleAdmin, "mallory", func(k *controlplane.Key) { k.Tenant = "hostile" })
	victim := newKey(t, srv, controlplane.RoleAdmin, "vera", func(k *controlplane.Key) { k.Tenant = "victim" })
	pools := controlplane.Governor(srv)
	ctx := t.Context()
	for _, pool := range []*governor.Pool{pools.Reads, pools.Audit} {
		for range 2 {
			_, leave, err := governor.Read(ctx, pool, "hostile", time.Hour)
			require.NoError(t, err)
			t.Cleanup(leave)
		}
	}
	for _, path := range longReads {
		waits, cancel := context.WithCancel(ctx)
		answered := make(chan int, 1)
		go func() {
			r := httptest.NewRequestWithContext(waits, http.MethodGet, path, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+hostile)
			w := httptest.NewRecorder()
			srv.ServeHTTP(w, r)
			answered <- w.Code
		}()
		require.Equal(t, http.StatusOK, raw{method: "GET", path: path, key: victim}.do(t, srv).status, path)
		require.Empty(t, answered, "it waits for one of its own turns: "+path)
		cancel()
		require.Equal(t, http.StatusServiceUnavailable, <-answered, path)
	}
}

// A request that waits too long for a place gets an error.
func TestLongReads_WithoutATurn_AreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool := governor.NewPool(governor.Shares{Total: 3, Tenant: 2, Key: 2})
		for range 2 {
			_, _, err := governor.Read(t.Context(), pool, "a", time.Hour)
			require.NoError(t, err)
		}
		_, _, err := governor.Read(t.Context(), pool, "a", time.Hour)
		require.ErrorIs(t, err, governor.ErrNoTurn)
		within, leave, err := governor.Read(t.Context(), pool, "b", time.Second)
		require.NoError(t, err)
		<-within.Done()
		require.ErrorIs(t, context.Cause(within), governor.ErrLongRead)
		leave()
		require.EqualValues(t, 2, pool.InUse())
	})
}

// A page of validators is limited in bytes too. No validator is lost between pages, and
// a page is charged to the memory of its key.
func TestPages_OfValidators_AreBoundedInBytes(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	srv := open(t, quiet)
	admin := newKey(t, srv, controlplane.RoleAdmin, "ada")
	service := newKey(t, srv, controlplane.RoleService, "svc")
	text := strings.Repeat("x", 1<<20-200)
	for i := range 20 {
		got := raw{path: "/api/v1/crv/validators", key: admin, body: fmt.Sprintf(`{"validator_id":"v%02d","config":{"type":"not_null","description":%q}}`, i, text)}.do(t, srv)
		require.Equal(t, http.StatusOK, got.status, got.body)
	}
	for _, key := range []string{admin, service} {
		path, pages := "/api/v1/crv/validators?limit=1000", 0
		var ids []string
		for path != "" {
			got := raw{method: "GET", path: path, key: key}.do(t, srv)
			require.Equal(t, http.StatusOK, got.status)
			require.Less(t, len(got.body), 9<<20)
			ids = append(ids, validatorIDs(t, got.body)...)
			path = nextPath(got)
			pages++
		}
		require.Equal(t, 3, pages)
		require.Len(t, ids, 20)
		for i, id := range ids {
			require.Equal(t, fmt.Sprintf("v%02d", i), id)
		}
	}
	bytesPool, owner := controlplane.Governor(srv).Bytes, controlplane.OwnerOf(t, srv, service)
	require.NoError(t, bytesPool.Take(owner, bytesPool.Shares().Key*4/5-2*governor.RequestBytes, false))
	raw{method: "GET", path: "/api/v1/crv/validators", key: service}.do(t, srv).refusal(t, http.StatusTooManyRequests, "RESOURCE_EXHAUSTED")
	require.Equal(t, http.StatusOK, raw{method: "GET", path: "/api/v1/crv/validators", key: admin}.do(t, srv).status)
}
