package controlplane_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// BenchmarkDecisionBesideLargeOnes measures a small decision of one service while
// another service sends 15 requests of 3 MiB at a time that need an approval: either
// always the same ones, or new ones, each of which is stored. It reports the median and
// the 95th percentile of the small decisions in milliseconds.
func BenchmarkDecisionBesideLargeOnes(b *testing.B) {
	for _, row := range []struct {
		name  string
		large int
		anew  bool
	}{{"alone", 0, false}, {"beside the same large ones", 15, false}, {"beside new large ones", 15, true}} {
		b.Run(row.name, func(b *testing.B) {
			srv, err := controlplane.Open(b.Context(), controlplane.Config{DB: filepath.Join(b.TempDir(), "aureus.db")})
			require.NoError(b, err)
			defer func() { require.NoError(b, srv.Close()) }()
			add := func(subject string, role controlplane.Role) string {
				_, secret, err := srv.Keys().Add(b.Context(), "bench", controlplane.Key{Subject: subject, Role: role, SpeaksFor: []string{controlplane.Everyone}})
				require.NoError(b, err)
				return secret
			}
			small, large := add("small", controlplane.RoleService), add("large", controlplane.RoleService)
			olga := srv.Operator("olga")
			question := largeQuestion(marker)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var busy sync.WaitGroup
			started := make(chan struct{}, row.large)
			for i := range row.large {
				busy.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						amount := i
						if row.anew {
							amount = i + n*row.large
						}
						decision := evaluateRaw(ctx, srv, large, strings.ReplaceAll(question, strconv.Itoa(marker), strconv.Itoa(amount)))
						if row.anew && decision.ApprovalToken != "" {
							_, _ = olga.Reject(ctx, decision.ApprovalToken, decision.ActionDigest, "") // so that the limit of pending approvals is not reached
						}
						if n == 0 {
							started <- struct{}{}
						}
					}
				})
			}
			for range row.large {
				<-started
			}
			text := mustText(transfer(aureus.TierLow, 1).Context())
			took := make([]time.Duration, 0, 1024)
			for b.Loop() {
				began := time.Now()
				require.True(b, evaluateRaw(ctx, srv, small, text).Allowed)
				took = append(took, time.Since(began))
			}
			cancel()
			busy.Wait()
			slices.Sort(took)
			ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
			b.ReportMetric(ms(took[len(took)/2]), "p50-ms")
			b.ReportMetric(ms(took[len(took)*95/100]), "p95-ms")
		})
	}
}

const marker = 987654321

// largeQuestion returns a request of 3 MiB with many values that needs an approval.
func largeQuestion(amount int) string {
	rows := make([]any, 40_000)
	for i := range rows {
		rows[i] = map[string]any{"to": fmt.Sprintf("acct-%06d", i), "amount": i, "text": "for the month of November, as agreed"}
	}
	question := transfer(aureus.TierHigh, amount)
	question.Principal.ID = fmt.Sprint("agent-", amount)
	question.Arguments = map[string]any{"amount": amount, "rows": rows}
	return mustText(question.Context())
}

func mustText(question aureus.PolicyContext) string {
	text, err := strictjson.Marshal(question)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// evaluateRaw calls the handler directly, without a connection.
func evaluateRaw(ctx context.Context, srv http.Handler, key, body string) (decision aureus.GuardDecision) {
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://localhost/api/v1/policy/evaluate", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+key)
	w := httptest.NewRecorder()
	srv.ServeHTTP(w, r)
	_ = strictjson.Unmarshal(w.Body.Bytes(), &decision) // a refusal is the zero decision
	return decision
}
