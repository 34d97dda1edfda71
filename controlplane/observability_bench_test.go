package controlplane

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkReports measures a report from the body to the commit, without a connection.
func BenchmarkReports(b *testing.B) {
	var number atomic.Int64
	span := func() string {
		n := number.Add(1)
		return fmt.Sprintf(`{"id":"%016x","trace_id":"%032x","parent_id":"00f067aa0ba902b7","name":"GET /accounts/{id}",`+
			`"start_time":"2026-01-02T03:04:05.%06dZ","end_time":"2026-01-02T03:04:06Z","duration":12.5,`+
			`"tags":{"http.request.method":"GET","http.response.status_code":"200","service.name":"ledger","url.path":"/accounts/42"}}`, n, n/8, n%1e6)
	}
	batch := func() string {
		spans := make([]string, 512)
		for i := range spans {
			spans[i] = span()
		}
		return "[" + strings.Join(spans, ",") + "]"
	}
	for _, bench := range []struct {
		name, path string
		spans      int
		callers    int // for each processor
		body       func() string
	}{
		{"one span, one caller a processor", "spans", 1, 1, span},
		{"one span, 32 callers a processor", "spans", 1, 32, span},
		{"batch of 512, one caller a processor", "spans/batch", 512, 1, batch},
	} {
		b.Run(bench.name, func(b *testing.B) {
			srv, err := Open(b.Context(), Config{Ephemeral: true, Dev: true})
			require.NoError(b, err)
			defer func() { require.NoError(b, srv.Close()) }()
			b.SetParallelism(bench.callers)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/api/v1/observability/"+bench.path, strings.NewReader(bench.body()))
					r.Header.Set("Content-Type", "application/json")
					w := httptest.NewRecorder()
					srv.ServeHTTP(w, r)
					if w.Code != http.StatusOK {
						b.Errorf("status %d: %s", w.Code, w.Body)
						return
					}
				}
			})
			b.ReportMetric(float64(bench.spans)*float64(b.N)/b.Elapsed().Seconds(), "spans/s")
		})
	}
}
