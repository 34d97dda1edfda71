package middleware_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// nowhere is a ResponseWriter that does nothing.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header       { return w.header }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

var bare = http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})

// guarded returns a handler with a guard that decides locally. The principal has ten
// permissions.
func guarded(next http.Handler, options ...middleware.Options) http.Handler {
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
	return middleware.Enforce(&guard.Local{}, func(*http.Request) (aureus.Request, error) { return request, nil }, options...)(next)
}

// guardedRoutes returns a mux with a guard that finds the action of a request in a table.
func guardedRoutes() http.Handler {
	reader := aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "read", Resource: "j", Intent: aureus.IntentRead}}}
	table := guard.Routes{{Pattern: "GET /health", Open: true}}
	for _, pattern := range []string{"GET /accounts", "GET /accounts/{id}", "POST /transfers"} {
		table = append(table, guard.Route{Pattern: pattern, Action: aureus.Action{
			ID: "account.read", Name: "Read", RiskTier: aureus.TierLow, Intent: aureus.IntentRead,
			RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "j"}},
		}})
	}
	identify := func(*http.Request) (aureus.Principal, error) { return reader, nil }
	return middleware.EnforceRoutes(&guard.Local{}, identify, table)(routes())
}

func routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /accounts", "GET /accounts/{id}", "POST /transfers", "GET /health"} {
		mux.Handle(pattern, bare)
	}
	return mux
}

// guardedHandlers returns handlers with different kinds of guard. A test limits their
// allocations.
func guardedHandlers() map[string]http.Handler {
	outcomes := middleware.Options{Outcomes: func(context.Context, aureus.Outcome) {}}
	return map[string]http.Handler{
		"guarded":              guarded(bare),
		"guarded-with-outcome": guarded(bare, outcomes),
		"guarded-mux":          guarded(routes()),
		"guarded-routes":       guardedRoutes(),
	}
}

// BenchmarkEnforce compares guarded handlers with the bare handler. The decision is
// included.
func BenchmarkEnforce(b *testing.B) {
	handlers := guardedHandlers()
	handlers["bare"], handlers["bare-mux"] = bare, routes()
	for _, name := range slices.Sorted(maps.Keys(handlers)) {
		b.Run(name, func(b *testing.B) {
			r := httptest.NewRequest(http.MethodGet, "/accounts/7", http.NoBody)
			w := nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				handlers[name].ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkEnforceReadingTheBody measures a request whose body of 1 KiB is read for an
// approval. The digest is not included.
func BenchmarkEnforceReadingTheBody(b *testing.B) {
	handler := middleware.Enforce(reading, about(small))(bare)
	text := bytes.Repeat([]byte("x"), 1024)
	r := httptest.NewRequest(http.MethodPost, "/transfers", nil)
	w := nowhere{http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
		handler.ServeHTTP(w, r)
	}
}

// Each kind of guard has at most eight allocations, which is also the limit above the bare mux
// for a guard that makes an argument of a path value.
func TestEnforce_Allowed_AllocatesLittle(t *testing.T) {
	for name, handler := range guardedHandlers() {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/accounts/7", http.NoBody)
			w := nowhere{http.Header{}}
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() { handler.ServeHTTP(w, r) }), 8.0)
		})
	}
}
