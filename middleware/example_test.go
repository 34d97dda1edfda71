package middleware_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// The actions of the ledger, and the permissions that they need.
var (
	readBalance = aureus.Action{
		ID: "balance.read", Name: "Read a balance", RiskTier: aureus.TierLow, Intent: aureus.IntentRead,
		RequiredPermissions: []aureus.Permission{{Action: "read", Resource: "ledger"}},
	}
	transfer = aureus.Action{
		ID: "transfer.make", Name: "Transfer money", RiskTier: aureus.TierMedium, Intent: aureus.IntentWrite,
		RequiredPermissions: []aureus.Permission{{Action: "write", Resource: "ledger"}},
	}
)

// held has the permissions of each agent. The service keeps them; requests do not carry
// them.
var held = map[string][]aureus.Permission{
	"reader": {{Action: "read", Resource: "ledger"}},
	"clerk":  {{Action: "read", Resource: "ledger"}, {Action: "write", Resource: "ledger"}},
}

// signedIn represents the authentication of the service.
func signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if id, _, ok := r.BasicAuth(); ok {
			who := aureus.Principal{ID: id, Type: "agent", Permissions: held[id]}
			r = r.WithContext(middleware.WithPrincipal(r.Context(), who))
		}
		next.ServeHTTP(w, r)
	})
}

// A guard around one route: describe returns the principal and the action.
func ExampleEnforce() {
	describe := func(r *http.Request) (aureus.Request, error) {
		who, err := middleware.PrincipalFromContext(r.Context())
		return aureus.Request{Principal: who, Action: transfer}, err
	}
	protect := middleware.Enforce(&guard.Local{}, describe)

	mux := http.NewServeMux()
	mux.Handle("POST /transfers", protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		decision, _ := aureus.DecisionFromContext(r.Context())
		fmt.Fprintf(w, "done, allowed to %s: %s", decision.PrincipalID, decision.ReasonCode)
	})))

	server := httptest.NewServer(signedIn(mux))
	defer server.Close()
	show(post(server.URL+"/transfers", "clerk", `{"amount": 20}`))
	show(post(server.URL+"/transfers", "reader", `{"amount": 20}`))
	show(post(server.URL+"/transfers", "", `{"amount": 20}`))
	// Output:
	// 200 done, allowed to clerk: MEDIUM_RISK_ALLOWED_WITH_MONITORING
	// 403 PERMISSION_DENIED This is not allowed
	// 401 AUTHENTICATION_FAILED The caller is not known
}

// A guard around a whole mux: the pattern selects the action, and a route without an
// action is refused.
func ExampleEnforce_mux() {
	actions := map[string]aureus.Action{
		"GET /accounts/{id}": readBalance,
		"POST /transfers":    transfer,
	}
	describe := func(r *http.Request) (aureus.Request, error) {
		action, ok := actions[r.Pattern]
		if !ok {
			return aureus.Request{}, fmt.Errorf("no action is defined for %q", r.Pattern)
		}
		who, err := middleware.PrincipalFromContext(r.Context())
		return aureus.Request{Principal: who, Action: action, Arguments: map[string]any{"account": r.PathValue("id")}}, err
	}

	mux := http.NewServeMux()
	mux.HandleFunc("GET /accounts/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "balance of %s", r.PathValue("id"))
	})
	mux.HandleFunc("GET /debug", func(http.ResponseWriter, *http.Request) { panic("not reached") })

	protect := middleware.Enforce(&guard.Local{}, describe)
	server := httptest.NewServer(signedIn(protect(mux)))
	defer server.Close()
	show(get(server.URL+"/accounts/7", "reader"))
	show(get(server.URL+"/debug", "reader"))
	show(get(server.URL+"/nowhere", "reader"))
	// Output:
	// 200 balance of 7
	// 503 UNDECIDED It could not be decided
	// 404 404 page not found
}

// describe may read the body. The handler reads it again.
func ExampleEnforce_body() {
	describe := func(r *http.Request) (aureus.Request, error) {
		var order struct {
			Amount int `json:"amount"`
		}
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Amount <= 0 {
			return aureus.Request{}, &middleware.Invalid{Pointer: "/amount", Reason: "must be a whole number above 0"}
		}
		action := transfer
		if order.Amount > 1000 {
			action.RiskTier = aureus.TierHigh // a person decides
		}
		who, err := middleware.PrincipalFromContext(r.Context())
		return aureus.Request{Principal: who, Action: action}, err
	}
	protect := middleware.Enforce(&guard.Local{}, describe)
	handler := protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "the handler got %s", body)
	}))

	server := httptest.NewServer(signedIn(handler))
	defer server.Close()
	show(post(server.URL, "clerk", `{"amount": 20}`))
	show(post(server.URL, "clerk", `{"amount": 5000}`))
	show(post(server.URL, "clerk", `{"amount": -1}`))
	// Output:
	// 200 the handler got {"amount": 20}
	// 403 APPROVALS_NOT_AVAILABLE This is not allowed
	// 400 VALIDATION_ERROR The request is invalid: /amount must be a whole number above 0
}

// The response to a change that a gate refused has the reason and the remediation.
func ExampleWriteError() {
	type withdrawal struct{ Amount, Balance int }
	noOverdraft := func(_ context.Context, change crvgate.Change[withdrawal]) aureus.ValidationResult {
		if change.Data.Amount > change.Data.Balance {
			return crvgate.Fail(aureus.OutOfScope, "the balance does not cover the amount")
		}
		return crvgate.Pass()
	}
	apply := crvgate.Wrap(crvgate.New("ledger", noOverdraft), func(context.Context, withdrawal) error {
		return nil // change the ledger
	})

	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := apply(r.Context(), withdrawal{Amount: 500, Balance: 120}); err != nil {
			middleware.WriteError(w, r, err)
			return
		}
		fmt.Fprint(w, "done")
	})

	server := httptest.NewServer(handler)
	defer server.Close()
	show(post(server.URL, "clerk", ""))
	// Output:
	// 422 OUT_OF_SCOPE The change was blocked: the balance does not cover the amount
	// remediation: Check the allowed range or scope of the operation and bring the value inside it.
}

// Options record the outcome of each request, and log refusals.
func ExampleOptions() {
	describe := func(*http.Request) (aureus.Request, error) {
		who := aureus.Principal{ID: "reader", Type: "agent", Permissions: held["reader"]}
		return aureus.Request{Principal: who, Action: transfer}, nil
	}
	protect := middleware.Enforce(&guard.Local{}, describe, middleware.Options{
		Outcomes: func(_ context.Context, outcome aureus.Outcome) { fmt.Println(outcome.Status, outcome.ErrorClass) },
		Logger:   slog.New(slog.DiscardHandler),
	})

	server := httptest.NewServer(protect(http.NotFoundHandler()))
	defer server.Close()
	show(post(server.URL+"/transfers", "", `{"amount": 20}`))
	// Output:
	// refused PERMISSION_DENIED
	// 403 PERMISSION_DENIED This is not allowed
}

// A handler that did nothing releases the approval of the request: the same request may pass
// once more.
func ExampleNotDone() {
	connect := func() error { return errors.New("the database is not reachable") }
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := connect(); err != nil { // before anything was written
			middleware.NotDone(r)
			http.Error(w, "try again later", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprint(w, "done")
	})

	server := httptest.NewServer(handler)
	defer server.Close()
	show(post(server.URL, "clerk", ""))
	// Output: 503 try again later
}

// Behind a proxy that authenticates: the header counts only if the proxy sends it.
func ExampleTrustedHeader() {
	identify := middleware.TrustedHeader("X-Agent-Id", netip.MustParsePrefix("127.0.0.0/8"))
	describe := func(r *http.Request) (aureus.Request, error) {
		who, err := identify(r)
		who.Type, who.Permissions = "agent", held[who.ID]
		return aureus.Request{Principal: who, Action: readBalance}, err
	}
	protect := middleware.Enforce(&guard.Local{}, describe)
	handler := protect(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "120") }))

	ask := func(peer string, ids ...string) {
		r := httptest.NewRequest(http.MethodGet, "/accounts/7", nil)
		r.RemoteAddr, r.Header["X-Agent-Id"] = peer, ids
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		show(w.Result(), nil)
	}
	ask("127.0.0.1:41000", "reader")
	ask("127.0.0.1:41000", "reader", "clerk")
	ask("203.0.113.9:41000", "reader")
	// Output:
	// 200 120
	// 401 AUTHENTICATION_FAILED The caller is not known
	// 401 AUTHENTICATION_FAILED The caller is not known
}

func get(url, agent string) (*http.Response, error) { return send(http.MethodGet, url, agent, "") }
func post(url, agent, body string) (*http.Response, error) {
	return send(http.MethodPost, url, agent, body)
}

func send(method, url, agent, body string) (*http.Response, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if agent != "" {
		r.SetBasicAuth(agent, "secret")
	}
	return http.DefaultClient.Do(r)
}

// show prints a response: the status and the body, or the members of a problem.
func show(response *http.Response, err error) {
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = response.Body.Close() }()
	body, _ := io.ReadAll(response.Body)
	var problem struct {
		Code, Title, Remediation string
		Errors                   []struct{ Pointer, Detail string }
	}
	if response.Header.Get("Content-Type") != "application/problem+json" {
		fmt.Printf("%d %s\n", response.StatusCode, strings.TrimSpace(string(body)))
		return
	}
	if err := json.Unmarshal(body, &problem); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d %s %s", response.StatusCode, problem.Code, problem.Title)
	for _, e := range problem.Errors {
		fmt.Printf(": %s", strings.TrimSpace(e.Pointer+" "+e.Detail))
	}
	fmt.Println()
	if problem.Remediation != "" {
		fmt.Printf("remediation: %s\n", problem.Remediation)
	}
}
