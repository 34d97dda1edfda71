package middleware_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// nowhere is a ResponseWriter that costs nothing.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header       { return w.header }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

var bare = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// guarded is the bare handler behind a real local decision with ten held
// permissions.
func guarded(options ...middleware.Option) http.Handler {
	held := make([]aureus.Permission, 10)
	for i := range held {
		held[i] = aureus.Permission{Action: "read", Resource: string(rune('a' + i)), Intent: aureus.IntentRead}
	}
	request := aureus.Request{
		Principal: aureus.Principal{ID: "agent-7", Type: "agent", Permissions: held},
		Action: aureus.Action{
			ID: "account.read", Name: "Read", RiskTier: aureus.TierLow, Intent: aureus.IntentRead,
			RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "j"}},
		},
	}
	return middleware.Enforce(&guard.Local{}, func(*http.Request) (aureus.Request, error) { return request, nil }, options...)(bare)
}

// The guard over the bare handler, decision included.
func BenchmarkEnforce(b *testing.B) {
	outcome := middleware.WithOutcomes(func(context.Context, aureus.Outcome) {})
	for name, handler := range map[string]http.Handler{"bare": bare, "guarded": guarded(), "guarded-with-outcome": guarded(outcome)} {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/accounts/7", http.NoBody)
			w := nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(w, r)
			}
		})
	}
}

func TestEnforceAllocatesLittle(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/accounts/7", http.NoBody)
	w := nowhere{http.Header{}}
	handler := guarded()
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() { handler.ServeHTTP(w, r) }), 8.0)
}
