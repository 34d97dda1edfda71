package middleware_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
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
func guardedRoutes(options ...middleware.Options) http.Handler {
	reader := aureus.Principal{ID: "agent-7", Type: "agent", Permissions: []aureus.Permission{{Action: "read", Resource: "j", Intent: aureus.IntentRead}}}
	table := guard.Routes{{Pattern: "GET /health", Open: true}}
	for pattern, arguments := range map[string][]string{
		"GET /accounts": nil, "GET /accounts/{id}": nil, "GET /find": {"query"}, "POST /transfers": {"path", "body"},
	} {
		table = append(table, guard.Route{Pattern: pattern, Arguments: arguments, Action: aureus.Action{
			ID: "account.read", Name: "Read", RiskTier: aureus.TierLow, Intent: aureus.IntentRead,
			RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "j"}},
		}})
	}
	identify := func(*http.Request) (aureus.Principal, error) { return reader, nil }
	return middleware.EnforceRoutes(&guard.Local{}, identify, table, options...)(routes())
}

func routes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range []string{"GET /accounts", "GET /accounts/{id}", "GET /find", "POST /transfers", "GET /health"} {
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
// for a guard that makes arguments of path values or of the query.
func TestEnforce_Allowed_AllocatesLittle(t *testing.T) {
	for name, handler := range guardedHandlers() {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/accounts/7", http.NoBody)
			w := nowhere{http.Header{}}
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() { handler.ServeHTTP(w, r) }), 8.0)
		})
	}
}

// A JSON body of two members costs nine allocations more than no arguments: its bytes, the
// reader of them, the object and its members.
func TestEnforceRoutes_Allowed_AllocatesLittle(t *testing.T) {
	handler := guardedRoutes()
	for _, row := range []struct {
		name, method, target, body string
		limit                      float64
	}{
		{"no arguments", http.MethodGet, "/accounts", "", 2},
		{"an open route", http.MethodGet, "/health", "", 0},
		{"a path value", http.MethodGet, "/accounts/7", "", 7},
		{"two query parameters", http.MethodGet, "/find?owner=acme&limit=10", "", 6},
		{"a JSON body", http.MethodPost, "/transfers", `{"amount": 20.50, "to": "acme"}`, 11},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.NewReader(row.body)
			r := httptest.NewRequest(row.method, row.target, http.NoBody)
			if row.body != "" {
				r.Header.Set("Content-Type", "application/json")
				r.Body, r.ContentLength = io.NopCloser(text), int64(len(row.body))
			}
			w := nowhere{http.Header{}}
			require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
				text.Reset(row.body)
				handler.ServeHTTP(w, r)
			}), row.limit)
		})
	}
}
