package middleware_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// known is an identify function that always returns the agent.
func known(*http.Request) (aureus.Principal, error) { return agent, nil }

// bound returns a route for an action of the tier low.
func bound(pattern, id string, arguments ...string) guard.Route {
	return guard.Route{Pattern: pattern, Action: aureus.Action{ID: id, RiskTier: aureus.TierLow}, Arguments: arguments}
}

func open(pattern string) guard.Route { return guard.Route{Pattern: pattern, Open: true} }

// servingMux returns a mux whose routes all have the handler.
func servingMux(handler http.Handler, patterns ...string) *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range patterns {
		mux.Handle(pattern, handler)
	}
	return mux
}

// sent is a request as a server reads it.
func sent(t testing.TB, method, host, target string) *http.Request {
	t.Helper()
	r, ok := parse(method, host, target)
	require.True(t, ok)
	return r
}

func TestEnforceRoutes_PatternsOfAServeMux_SelectTheAction(t *testing.T) {
	t.Parallel()
	table := guard.Routes{
		bound("GET /{$}", "home"), bound("GET /accounts/{id}", "account.read"), bound("DELETE /accounts/{id}", "account.delete"),
		bound("/any/{id}", "any"), bound("PUT /any/{id}", "any.put"), bound("/files/{rest...}", "files"), bound("/tree/", "tree"),
		bound("ledger.example/accounts/{id}", "ledger.account"), bound("GET  /spaced", "spaced"),
		bound("GET /only", "only.get"), bound("POST /only", "only.post"), bound("/wide", "wide"), bound("HEAD /heads", "heads.head"), bound("GET /heads", "heads.get"),
	}
	mux := servingMux(bare, "GET /{$}", "GET /accounts/{id}", "DELETE /accounts/{id}", "/any/{id}", "/files/{rest...}", "/tree/",
		"ledger.example/accounts/{id}", "GET /spaced", "/only", "GET /wide", "GET /heads", "GET /forgotten", "GET /accounts/{id}/notes")
	var asked aureus.Request
	handler := middleware.EnforceRoutes(wanting(&asked), known, table)(mux)
	for _, row := range []struct {
		name, method, host, target string
		status                     int
		action, route              string
		arguments                  any
	}{
		{"the exact root", "GET", "x", "/", 200, "home", "GET /{$}", nil},
		{"a wildcard", "GET", "x", "/accounts/7", 200, "account.read", "GET /accounts/{id}", map[string]any{"id": "7"}},
		{"an escaped slash", "GET", "x", "/accounts/a%2Fb", 200, "account.read", "GET /accounts/{id}", map[string]any{"id": "a/b"}},
		{"HEAD on a route for GET", "HEAD", "x", "/accounts/7", 200, "account.read", "GET /accounts/{id}", map[string]any{"id": "7"}},
		{"HEAD bound by itself", "HEAD", "x", "/heads", 200, "heads.head", "HEAD /heads", nil},
		{"another method", "DELETE", "x", "/accounts/7", 200, "account.delete", "DELETE /accounts/{id}", map[string]any{"id": "7"}},
		{"every method", "PATCH", "x", "/any/1", 200, "any", "/any/{id}", map[string]any{"id": "1"}},
		{"a method of a route for every method", "PUT", "x", "/any/1", 200, "any.put", "PUT /any/{id}", map[string]any{"id": "1"}},
		{"the rest of the path", "GET", "x", "/files/a/b%2Fc/", 200, "files", "/files/{rest...}", map[string]any{"rest": "a/b/c/"}},
		{"an empty rest", "GET", "x", "/files/", 200, "files", "/files/{rest...}", map[string]any{"rest": ""}},
		{"a subtree", "GET", "x", "/tree/x/y", 200, "tree", "/tree/", nil},
		{"a host", "GET", "ledger.example", "/accounts/7", 200, "ledger.account", "ledger.example/accounts/{id}", map[string]any{"id": "7"}},
		{"more spaces", "GET", "x", "/spaced", 200, "spaced", "GET  /spaced", nil},
		{"a handler for every method, bound for some", "POST", "x", "/only", 200, "only.post", "POST /only", nil},
		{"HEAD of those", "HEAD", "x", "/only", 200, "only.get", "GET /only", nil},
		{"a method that is not bound", "DELETE", "x", "/only", 403, "", "", nil},
		{"a handler for GET, bound for every method", "GET", "x", "/wide", 200, "wide", "/wide", nil},
		{"a route that is not bound", "GET", "x", "/forgotten", 403, "", "", nil},
		{"a route below a bound one", "GET", "x", "/accounts/7/notes", 403, "", "", nil},
		{"no route", "GET", "x", "/nowhere", 404, "", "", nil},
		{"no such method", "PUT", "x", "/accounts/7", 405, "", "", nil},
		{"a redirect of the mux", "GET", "x", "/tree", 307, "", "", nil},
		{"a path to clean", "GET", "x", "/a/../accounts/7", 307, "", "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked = aureus.Request{}
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, sent(t, row.method, row.host, row.target))
			require.Equal(t, row.status, w.Code, w.Body)
			require.Equal(t, row.action, asked.Action.ID)
			require.Equal(t, row.route, asked.Route)
			require.Equal(t, row.arguments, asked.Arguments)
			if row.status == http.StatusForbidden {
				require.Equal(t, "ROUTE_NOT_BOUND", readProblem(t, w.Code, w.Header(), w.Body).Code)
			}
			if row.action != "" {
				require.Equal(t, agent.ID, asked.Principal.ID)
				require.Equal(t, row.method, asked.HTTP.Method)
			}
		})
	}
}

func TestEnforceRoutes_GuardAroundOneRoute_UsesThePatternOfTheRequest(t *testing.T) {
	t.Parallel()
	var asked aureus.Request
	protect := middleware.EnforceRoutes(wanting(&asked), known, guard.Routes{bound("GET /accounts/{id}", "account.read")})
	mux := http.NewServeMux()
	mux.Handle("GET /accounts/{id}", protect(bare))
	mux.Handle("GET /other", protect(unreachable(t)))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, sent(t, "GET", "x", "/accounts/7"))
	require.Equal(t, http.StatusOK, w.Code)
	require.Equal(t, map[string]any{"id": "7"}, asked.Arguments)
	require.Equal(t, "ROUTE_NOT_BOUND", refusal(t, mux, sent(t, "GET", "x", "/other"), http.StatusForbidden).Code)
}

func TestEnforceRoutes_HandlerWithoutAPattern_IsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	var outcomes []aureus.Outcome
	handler := middleware.EnforceRoutes(allow, known, guard.Routes{bound("", "nothing"), bound("/", "root")}[1:],
		middleware.Options{
			Logger:   slog.New(slog.NewTextHandler(&log, nil)),
			Outcomes: func(_ context.Context, o aureus.Outcome) { outcomes = append(outcomes, o) },
		})(unreachable(t))
	p := refusal(t, handler, httptest.NewRequest(http.MethodGet, "/", nil), http.StatusForbidden)
	require.Equal(t, "ROUTE_NOT_BOUND", p.Code)
	require.Contains(t, p.Detail, "ServeMux")
	require.Contains(t, log.String(), "Options.Pattern")
	require.Equal(t, "ROUTE_NOT_BOUND", outcomes[0].ErrorClass)
	require.Equal(t, "refused", outcomes[0].Status)
}

func TestEnforceRoutes_OptionsPattern_SelectsTheRoute(t *testing.T) {
	t.Parallel()
	var asked aureus.Request
	var seen string
	table := guard.Routes{bound("GET /accounts/:id/*rest", "account.read"), bound("POST /v1/{id:[0-9]{3}}/{name}", "chi")}
	handler := middleware.EnforceRoutes(wanting(&asked), known, table, middleware.Options{Pattern: func(r *http.Request) string {
		r.SetPathValue("id", "7")
		r.SetPathValue("name", "x")
		return r.Header.Get("Test-Pattern")
	}})(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { seen = r.Pattern }))
	ask := func(pattern string) int {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Pattern = "GET /accounts/:id/*rest" // of a mux in front; the option replaces it
		r.Header.Set("Test-Pattern", pattern)
		handler.ServeHTTP(w, r)
		return w.Code
	}
	require.Equal(t, http.StatusOK, ask("GET /accounts/:id/*rest"))
	require.Equal(t, map[string]any{"id": "7", "rest": ""}, asked.Arguments)
	require.Equal(t, "GET /accounts/:id/*rest", seen)
	require.Equal(t, http.StatusOK, ask("POST /v1/{id:[0-9]{3}}/{name}"))
	require.Equal(t, map[string]any{"id": "7", "name": "x"}, asked.Arguments)
	require.Equal(t, http.StatusForbidden, ask(""))
	require.Equal(t, http.StatusForbidden, ask("GET /"))
}

func TestEnforceRoutes_OpenRoute_IsServedWithoutADecision(t *testing.T) {
	t.Parallel()
	deny := guard.DeciderFunc(func(context.Context, aureus.Request) (aureus.Decision, error) {
		t.Error("an open route was decided")
		return aureus.Decision{}, nil
	})
	identify := func(*http.Request) (aureus.Principal, error) {
		t.Error("the caller of an open route was identified")
		return aureus.Principal{}, nil
	}
	record := func(context.Context, aureus.Outcome) { t.Error("an open route was recorded") }
	handler := middleware.EnforceRoutes(deny, identify, guard.Routes{open("GET /healthz")}, middleware.Options{Outcomes: record})(
		servingMux(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, decided := aureus.DecisionFromContext(r.Context())
			fmt.Fprint(w, r.Pattern, decided)
		}), "GET /healthz"))
	for _, method := range []string{"GET", "HEAD"} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, sent(t, method, "x", "/healthz"))
		require.Equal(t, http.StatusOK, w.Code)
		require.Equal(t, "GET /healthzfalse", w.Body.String())
	}
}

func TestEnforceRoutes_OpenRouteWithAMethodOverride_IsRefused(t *testing.T) {
	t.Parallel()
	handler := middleware.EnforceRoutes(allow, known, guard.Routes{open("GET /healthz")})(servingMux(unreachable(t), "GET /healthz"))
	r := sent(t, "GET", "x", "/healthz")
	r.Header.Set("X-HTTP-Method-Override", "DELETE")
	require.Equal(t, "VALIDATION_ERROR", refusal(t, handler, r, http.StatusBadRequest).Code)
}

func TestEnforceRoutes_Arguments_AreThePartsThatTheRouteLists(t *testing.T) {
	t.Parallel()
	var asked aureus.Request
	const body = `{"amount": 12345678901234567890.10, "to": {"list": [1, true, null]}}`
	table := guard.Routes{
		bound("POST /nothing/{id}", "a"), bound("POST /path/{id}", "a", "path"), bound("POST /query/{id}", "a", "query"),
		bound("POST /body/{id}", "a", "body"), bound("POST /all/{id}", "a", "path", "query", "body"),
	}
	table[0].Arguments = []string{}
	mux := servingMux(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) }),
		"POST /nothing/{id}", "POST /path/{id}", "POST /query/{id}", "POST /body/{id}", "POST /all/{id}")
	server := serve(t, middleware.EnforceRoutes(wanting(&asked), known, table)(mux))
	number := json.Number("12345678901234567890.10")
	to := map[string]any{"list": []any{json.Number("1"), true, nil}}
	for path, want := range map[string]any{
		"/nothing/7?a=1":              nil,
		"/path/7?a=1":                 map[string]any{"id": "7"},
		"/query/7?a=1&b=2&b=%C3%BC&c": map[string]any{"a": "1", "b": []any{"2", "ü"}, "c": ""},
		"/body/7?a=1":                 map[string]any{"amount": number, "to": to},
		"/all/7?a=1":                  map[string]any{"id": "7", "a": "1", "amount": number, "to": to},
	} {
		r := newRequest(t, http.MethodPost, server.URL+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json; charset=UTF-8")
		response, echoed := call(t, server.Client(), r)
		require.Equal(t, http.StatusOK, response.StatusCode, echoed)
		require.Zero(t, strings.Compare(body, echoed), "the handler reads the same bytes")
		require.Equal(t, want, asked.Arguments, path)
	}
	response, _ := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL+"/all/7", nil))
	require.Equal(t, http.StatusOK, response.StatusCode, "an empty body has no members")
	require.Equal(t, map[string]any{"id": "7"}, asked.Arguments)
}

// The response says which content type is expected, and which came, cut and escaped.
func TestEnforceRoutes_BodyOfAnotherType_IsRefusedAndSaysWhichIsExpected(t *testing.T) {
	t.Parallel()
	server := serve(t, middleware.EnforceRoutes(allow, known, guard.Routes{bound("POST /x", "a", "body")})(servingMux(unreachable(t), "POST /x")))
	for _, row := range []struct {
		types []string
		want  string
	}{
		{nil, "the policy reads the body, so its Content-Type must be application/json, and there is none"},
		{[]string{"text/plain"}, "the policy reads the body, so its Content-Type must be application/json or application/…+json, not text/plain"},
		{[]string{"application/json", "text/plain"}, "the policy reads the body, so its Content-Type must be application/json, and occur once, not be application/json and text/plain"},
		{[]string{"a/b \u202e"}, `the policy reads the body, so its Content-Type must be application/json or application/…+json, not "a/b \u202e"`},
		{[]string{"multipart/form-data; boundary=" + strings.Repeat("x", 9000)}, ""},
		{[]string{"application/json; charset=utf-16"}, "the policy reads the body, so it must be JSON in UTF-8, not in utf-16"},
	} {
		r := newRequest(t, http.MethodPost, server.URL+"/x", strings.NewReader("{}"))
		r.Header["Content-Type"] = row.types
		response, _ := call(t, server.Client(), r)
		require.Equal(t, http.StatusBadRequest, response.StatusCode)
		detail := readProblem(t, response.StatusCode, response.Header, response.Body).Errors[0].Detail
		require.Less(t, len(detail), 400)
		if row.want != "" {
			require.Equal(t, row.want, detail)
		}
	}
}

// What a handler might read in another way than the policy is refused.
func TestEnforceRoutes_AmbiguousArguments_AreRefused(t *testing.T) {
	t.Parallel()
	handler := middleware.EnforceRoutes(allow, known, guard.Routes{bound("POST /x/{id}", "a", "path", "query", "body")},
		middleware.Options{MaxBody: 200})(servingMux(unreachable(t), "POST /x/{id}"))
	for _, row := range []struct {
		name, target, body string
		header             http.Header
		status             int
		says               string
	}{
		{"a name in path and query", "/x/7?id=8", "", nil, 400, `"id" is in the path and in the query`},
		{"a name in path and body", "/x/7", `{"id": 8}`, nil, 400, `"id" is in the path and in the body`},
		{"a name in query and body", "/x/7?a=8", `{"a": 8}`, nil, 400, `"a" is in the query and in the body`},
		{"a name in another case in the body", "/x/7", `{"ID": 8}`, nil, 400, `"id" is in the path and in the body`},
		{"a name in another case in the query", "/x/7?a=1&A=2", "", nil, 400, "more than once"},
		{"two names in the body that differ in case", "/x/7", `{"amount": 5, "Amount": 5000}`, nil, 400, "more than once"},
		{"the same deep in the body", "/x/7", `{"list": [{"to": 1, "TO": 2}]}`, nil, 400, "more than once"},
		{"the long s", "/x/7", `{"sum": 5, "ſum": 5000}`, nil, 400, "more than once"},
		{"a duplicate name in the body", "/x/7", `{"amount": 5, "amount": 5000}`, nil, 400, "not valid JSON"},
		{"not JSON", "/x/7", `{"amount": 5`, nil, 400, "not valid JSON"},
		{"two values", "/x/7", `{} {}`, nil, 400, "not valid JSON"},
		{"no object", "/x/7", `[1]`, nil, 400, "JSON object"},
		{"a query that is cut by a semicolon", "/x/7?a=1;b=2", "", nil, 400, "query is not valid"},
		{"a wrong escape in the query", "/x/7?a=%zz", "", nil, 400, "query is not valid"},
		{"a query that is not UTF-8", "/x/7?a=%ff", "", nil, 400, "UTF-8"},
		{"a list in the query that is not UTF-8", "/x/7?a=1&a=%ff", "", nil, 400, "UTF-8"},
		{"a path that is not UTF-8", "/x/%ff", "", nil, 400, "UTF-8"},
		{"a form that is also JSON", "/x/7", `{"a":"&amount=5000&"}`, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, 400, "application/json"},
		{"no content type", "/x/7", `{}`, http.Header{"Content-Type": nil}, 400, "Content-Type"},
		{"two content types", "/x/7", `{}`, http.Header{"Content-Type": {"application/json", "text/plain"}}, 400, "Content-Type"},
		{"another character set", "/x/7", `{}`, http.Header{"Content-Type": {"application/json; charset=utf-16"}}, 400, "UTF-8"},
		{"a compressed body", "/x/7", `{}`, http.Header{"Content-Encoding": {"gzip"}}, 400, "Content-Encoding"},
		{"a body that is too long", "/x/7", `{"a": "` + strings.Repeat("x", 200) + `"}`, nil, 413, "200 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := sent(t, "POST", "x", row.target)
			if row.body != "" {
				r.Body = io.NopCloser(strings.NewReader(row.body))
			}
			r.Header.Set("Content-Type", "application/json")
			maps.Copy(r.Header, row.header)
			p := refusal(t, handler, r, row.status)
			require.Contains(t, p.Errors[0].Detail, row.says)
		})
	}
}

func TestEnforceRoutes_IdentifyFails_IsRefused(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		err    error
		status int
	}{
		"nobody":        {nil, 401},
		"not known":     {middleware.ErrNoIdentity, 401},
		"another error": {io.ErrUnexpectedEOF, 503},
	} {
		t.Run(name, func(t *testing.T) {
			identify := func(*http.Request) (aureus.Principal, error) { return aureus.Principal{}, row.err }
			handler := middleware.EnforceRoutes(allow, identify, guard.Routes{bound("GET /x", "a")})(servingMux(unreachable(t), "GET /x"))
			refusal(t, handler, sent(t, "GET", "x", "/x"), row.status)
		})
	}
}

func TestEnforceRoutes_MissingPathValue_IsRefused(t *testing.T) {
	t.Parallel()
	handler := middleware.EnforceRoutes(allow, known, guard.Routes{bound("GET /x/{id}", "a")},
		middleware.Options{Pattern: func(*http.Request) string { return "GET /x/{id}" }})(unreachable(t))
	p := refusal(t, handler, sent(t, "GET", "x", "/x/7"), http.StatusBadRequest)
	require.Contains(t, p.Errors[0].Detail, "{id}")
}

func TestEnforceRoutes_MistakesAtTheStart_Panic(t *testing.T) {
	t.Parallel()
	ok := guard.Routes{bound("GET /x", "a")}
	for name, call := range map[string]func(){
		"no decider":  func() { middleware.EnforceRoutes(nil, known, ok) },
		"no identify": func() { middleware.EnforceRoutes(allow, nil, ok) },
		"no table":    func() { middleware.EnforceRoutes(allow, known, nil) },
		"no handler":  func() { middleware.EnforceRoutes(allow, known, ok)(nil) },
		"no mux":      func() { middleware.EnforceRoutes(allow, known, ok)((*http.ServeMux)(nil)) },
		"a pattern twice": func() {
			middleware.EnforceRoutes(allow, known, guard.Routes{bound("GET /x", "a"), bound("GET  /x", "b")})
		},
		"no pattern":      func() { middleware.EnforceRoutes(allow, known, guard.Routes{bound("", "a")}) },
		"a name twice":    func() { middleware.EnforceRoutes(allow, known, guard.Routes{bound("GET /x/:id/y/:id", "a")}) },
		"an unknown part": func() { middleware.EnforceRoutes(allow, known, guard.Routes{bound("GET /x", "a", "header")}) },
	} {
		t.Run(name, func(t *testing.T) { require.Panics(t, call) })
	}
}

// liveTable is a table that is replaced while it is used.
type liveTable struct{ atomic.Pointer[guard.Routes] }

func (t *liveTable) Routes() []guard.Route { return *t.Load() }

func TestEnforceRoutes_ReplacedTable_CountsFromTheNextRequest(t *testing.T) {
	t.Parallel()
	var table liveTable
	table.Store(&guard.Routes{open("GET /x")})
	handler := middleware.EnforceRoutes(saying(aureus.Decision{}, nil), known, &table)(servingMux(bare, "GET /x"))
	status := func() int {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, sent(t, "GET", "x", "/x"))
		return w.Code
	}
	require.Equal(t, http.StatusOK, status())
	table.Store(&guard.Routes{bound("GET /x", "a")})
	require.Equal(t, http.StatusForbidden, status(), "it is decided now")
	table.Store(&guard.Routes{open("GET /x"), open("GET /x")})
	require.Equal(t, http.StatusForbidden, status(), "a pattern that occurs twice binds nothing")
	table.Store(&guard.Routes{})
	require.Equal(t, http.StatusForbidden, status())
	table.Store(&guard.Routes{open("GET /x")})
	require.Equal(t, http.StatusOK, status())
}

func TestEnforceRoutes_TableReplacedConcurrently_NeverOpensABoundRoute(t *testing.T) {
	t.Parallel()
	one, two := guard.Routes{bound("GET /x", "a"), open("GET /y")}, guard.Routes{open("GET /y"), bound("GET /x", "b")}
	var table liveTable
	table.Store(&one)
	server := serve(t, middleware.EnforceRoutes(saying(aureus.Decision{}, nil), known, &table)(servingMux(bare, "GET /x", "GET /y")))
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for i := range 50 {
				table.Store([]*guard.Routes{&one, &two}[i%2])
				for path, want := range map[string]int{"/x": http.StatusForbidden, "/y": http.StatusOK} {
					response, err := server.Client().Get(server.URL + path)
					if err != nil || response.StatusCode != want {
						t.Errorf("%s: %v %v", path, response, err)
						return
					}
					_ = response.Body.Close()
				}
			}
		})
	}
	group.Wait()
}

// For a handler that reads parameters with FormValue, a form in the body replaces the query.
func TestEnforceRoutes_FormBesideTheQuery_IsRefused(t *testing.T) {
	t.Parallel()
	acted := ""
	handler := middleware.EnforceRoutes(allow, known, guard.Routes{bound("POST /pay", "pay", "query"), bound("POST /free", "free", "path")})(
		servingMux(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { acted = r.FormValue("amount") }), "POST /pay", "POST /free"))
	for _, row := range []struct {
		target, contentType, body string
		status                    int
		acted                     string
	}{
		{"/pay?amount=5", "", "", 200, "5"},
		{"/pay?amount=5", "application/x-www-form-urlencoded", "amount=5000", 400, ""},
		{"/pay?amount=5", "Application/X-WWW-Form-Urlencoded ; charset=utf-8", "amount=5000", 400, ""},
		{"/pay?amount=5", "application/x-www-form-urlencoded", "", 200, "5"},
		{"/pay?amount=5", "application/octet-stream", "amount=5000", 200, "5"},
		{"/free?amount=5", "application/x-www-form-urlencoded", "amount=7", 200, "7"},
	} {
		acted = ""
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, row.target, strings.NewReader(row.body))
		if row.body == "" {
			r.Body = http.NoBody
		}
		r.Header.Set("Content-Type", row.contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, row.status, w.Code, row)
		require.Equal(t, row.acted, acted, row)
	}
}
