package controlplane_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// The published client ignores refused reports; the operator sees them in the metrics.
func TestMetrics_RefusedReports_AreCounted(t *testing.T) {
	t.Parallel()
	srv := open(t)
	s := newSite(t, srv)
	s.post(t, "/api/v1/observability/metrics", `{"name":"m","value":1.0,"timestamp":"t","tags":null}`).ok(t)
	s.post(t, "/api/v1/observability/metrics", `{"name":"m","value":null,"timestamp":"t","tags":null}`).refusal(t, 422, "VALIDATION_ERROR")
	s.post(t, "/api/v1/observability/metrics/batch", `[{"name":"m","value":2,"timestamp":"t"},{},[]]`).ok(t)
	s.post(t, "/api/v1/observability/events", `{`).refusal(t, 400, "MALFORMED_JSON")

	figures := raw{method: "GET", path: "/metrics", key: s.operator}.do(t, s.checker)
	require.Equal(t, http.StatusOK, figures.status)
	for _, line := range []string{
		`aureus_reports_total{kind="metrics",outcome="accepted"} 2`, `aureus_reports_total{kind="metrics",outcome="refused"} 3`,
		`aureus_reports_total{kind="events",outcome="refused"} 1`, `aureus_reports_total{kind="spans",outcome="deferred"} 0`,
		"aureus_open_requests 1", "aureus_stream_clients 0", `aureus_build_info{version="` + aureus.Version + `"} 1`,
	} {
		require.Contains(t, figures.body, "\n"+line+"\n")
	}
	stranger := newKey(t, srv, controlplane.RoleOperator, "oleg", func(k *controlplane.Key) { k.Tenant = "other" })
	require.Contains(t, raw{method: "GET", path: "/metrics", key: stranger}.do(t, s.checker).body, `aureus_reports_total{kind="metrics",outcome="accepted"} 0`)
	raw{method: "GET", path: "/metrics", key: s.service}.do(t, s.checker).refusal(t, http.StatusForbidden, "PERMISSION_DENIED")
	dev := open(t, func(c *controlplane.Config) { c.Dev, c.OperatorKey = true, "operator-0123456789" })
	raw{method: "GET", path: "/metrics"}.do(t, dev).refusal(t, http.StatusUnauthorized, "AUTHENTICATION_FAILED")
}
