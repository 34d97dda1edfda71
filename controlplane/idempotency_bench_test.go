package controlplane_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/farmountain/aureus-go/controlplane"
)

// BenchmarkApprovalBesideReports requests the same approval repeatedly while others
// report 400 events per second, with and without an Idempotency-Key. It shows what
// storing the responses to reports costs the approvals.
func BenchmarkApprovalBesideReports(b *testing.B) {
	for _, row := range []struct {
		name    string
		reports bool
		keyed   bool
	}{{"alone", false, false}, {"beside reports", true, false}, {"beside keyed reports", true, true}} {
		b.Run(row.name, func(b *testing.B) {
			srv, err := controlplane.Open(b.Context(), controlplane.Config{DB: b.TempDir() + "/aureus.db"})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = srv.Close() }()
			_, secret, err := srv.Keys().Add(b.Context(), "bench", controlplane.Key{Subject: "svc", Role: controlplane.RoleService, SpeaksFor: []string{controlplane.Everyone}})
			if err != nil {
				b.Fatal(err)
			}
			post := func(path, body, idempotencyKey string) {
				r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, "http://localhost"+path, strings.NewReader(body))
				r.Header.Set("Authorization", "Bearer "+secret)
				r.Header.Set("Content-Type", "application/json")
				if idempotencyKey != "" {
					r.Header.Set("Idempotency-Key", idempotencyKey)
				}
				w := httptest.NewRecorder()
				srv.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Error(w.Body)
				}
			}
			ctx, stop := context.WithCancel(context.Background())
			var reporters sync.WaitGroup
			var n atomic.Int64
			for range 4 {
				if !row.reports {
					break
				}
				reporters.Go(func() {
					ticker := time.NewTicker(10 * time.Millisecond)
					defer ticker.Stop()
					for ctx.Err() == nil {
						<-ticker.C
						key := ""
						if row.keyed {
							key = strconv.FormatInt(n.Add(1), 10)
						}
						post("/api/v1/observability/events", anEvent, key)
					}
				})
			}
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				post("/api/v1/policy/approval", askApproval, "")
				took = append(took, time.Since(began))
			}
			stop()
			reporters.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}
