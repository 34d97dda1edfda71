package middleware_test

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

// wildcards are the names in the patterns below.
var wildcards = []string{"id", "name", "rest"}

// route returns the pattern and the path values of a request, as describe or the handler
// sees them.
func route(r *http.Request) string {
	var text strings.Builder
	text.WriteString(r.Pattern)
	for _, name := range wildcards {
		fmt.Fprintf(&text, " %s=%q", name, r.PathValue(name))
	}
	return text.String()
}

var patterns = []string{
	"GET /{$}", "GET /accounts/{id}", "POST /accounts/{id}/notes/{name}", "/files/{rest...}", "/tree/", "/exact/{$}",
	"ledger.example/accounts/{id}", "DELETE /accounts/{id}", "/CONNECT/{id}",
}

func fullMux(handler http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for _, pattern := range patterns {
		mux.Handle(pattern, handler)
	}
	mux.Handle("/old/{id}", http.RedirectHandler("/secret-place", http.StatusTemporaryRedirect))
	mux.Handle("/gone", http.NotFoundHandler())
	return mux
}

var targets = []string{
	"/", "/accounts/7", "/accounts/a%2Fb", "/accounts/%2e%2e", "/accounts/", "/accounts/7/", "/accounts/7/notes/x", "/accounts/%F0%9F%98%80",
	"/files", "/files/", "/files/a/b%2Fc/", "/files/a//b", "/tree", "/tree/", "/tree/x/y", "/tree?x=1", "//tree", "//", "/./tree", "/tree/../accounts/7",
	"/exact", "/exact/", "/exact/x", "/old/1", "/old/", "/gone", "/nowhere", "/accounts//7", "/accounts/..%2f7", "/tree//", "/..", "/%2e%2e/tree",
	"/tree/%2F..%2Fx", "/%74ree", "/tree/%", "*",
}

// Behind a guard that allows everything, a mux writes the same responses, and describe reads
// the same route as the handler.
func TestMux_Routing_IsTheSameWithAGuard(t *testing.T) {
	t.Parallel()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, route(r)) })
	mux := fullMux(handler)
	var seen string
	guarded := middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		seen = route(r)
		return small, nil
	})(mux)
	forbidding := middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(fullMux(unreachable(t)))

	reached := 0
	for _, method := range []string{"GET", "HEAD", "POST", "DELETE", "OPTIONS", "CONNECT"} {
		for _, host := range []string{"example.com", "ledger.example:80"} {
			for _, target := range targets {
				name := method + " " + host + " " + target
				bare, ok := exchange(mux, method, host, target)
				if !ok {
					continue
				}
				seen = ""
				got, _ := exchange(guarded, method, host, target)
				require.Equal(t, bare, got, name)
				refused, _ := exchange(forbidding, method, host, target)
				if seen == "" { // the mux wrote its own response
					require.Equal(t, bare, refused, name)
					require.Contains(t, []int{307, 400, 404, 405}, bare.status, name)
					continue
				}
				reached++
				require.Equal(t, http.StatusForbidden, refused.status, name)
				if bare.status == http.StatusOK {
					require.Equal(t, bare.body, seen, name)
				}
			}
		}
	}
	require.Greater(t, reached, 100)
}

type reply struct {
	status int
	header http.Header
	body   string
}

func exchange(handler http.Handler, method, host, target string) (reply, bool) {
	r, ok := parse(method, host, target)
	if !ok {
		return reply{}, false
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return reply{w.Code, maps.Clone(w.Header()), w.Body.String()}, true
}

// parse reads a request as the server does.
func parse(method, host, target string) (*http.Request, bool) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: " + host + "\r\n\r\n")))
	return r, err == nil
}

// For every path, no request reaches a handler if the guard refuses, and the mux itself
// responds only if it would not call a handler.
func FuzzMux(f *testing.F) {
	for _, target := range targets {
		f.Add("GET", "example.com", target)
	}
	f.Add("CONNECT", "ledger.example", "ledger.example:443")
	f.Fuzz(func(t *testing.T, method, host, target string) {
		reached := ""
		mux := fullMux(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached = route(r) }))
		bare, ok := exchange(mux, method, host, target)
		if !ok {
			return
		}
		without := reached

		refused, _ := exchange(middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(fullMux(unreachable(t))), method, host, target)
		if without != "" {
			require.Equal(t, http.StatusForbidden, refused.status)
		}
		reached = ""
		seen := ""
		allowed, _ := exchange(middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
			seen = route(r)
			return small, nil
		})(mux), method, host, target)
		require.Equal(t, bare, allowed)
		require.Equal(t, without, reached)
		if reached != "" {
			require.Equal(t, reached, seen)
		}
	})
}

// A registered redirect has the same type as one that the mux creates itself. It is guarded,
// because its target may be secret.
func TestMux_RegisteredRedirect_IsGuarded(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	for _, status := range []int{301, 302, 307, 308} {
		mux.Handle(fmt.Sprintf("/r%d/", status), http.RedirectHandler("https://store.example/?signature=hunter2", status))
	}
	guarded := middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(mux)
	for _, status := range []int{301, 302, 307, 308} {
		p := refusal(t, guarded, httptest.NewRequest(http.MethodGet, fmt.Sprintf("/r%d/", status), nil), http.StatusForbidden)
		require.Equal(t, "DENIED", p.Code)
	}
}

// The test sends unclean paths, redirected paths and wrong methods over a connection.
// describe does not run if the mux itself responds.
func TestMux_OverAConnection_RoutesTheSame(t *testing.T) {
	asked := 0
	describe := func(*http.Request) (aureus.Request, error) { asked++; return small, nil }
	server := serve(t, middleware.Enforce(allow, describe)(fullMux(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, route(r))
	}))))
	rows := []struct {
		request, status, contains string
		asked                     int
	}{
		{"GET /accounts/7 HTTP/1.1", "200 OK", `GET /accounts/{id} id="7"`, 1},
		{"GET /accounts/a%2Fb HTTP/1.1", "200 OK", `id="a/b"`, 1},
		{"GET //accounts/7 HTTP/1.1", "307 Temporary Redirect", "Location: /accounts/7", 0},
		{"GET /tree/../accounts/7 HTTP/1.1", "307 Temporary Redirect", "Location: /accounts/7", 0},
		{"GET /tree HTTP/1.1", "307 Temporary Redirect", "Location: /tree/", 0},
		{"GET /tree?a=1 HTTP/1.1", "307 Temporary Redirect", "Location: /tree/?a=1", 0},
		{"PUT /accounts/7 HTTP/1.1", "405 Method Not Allowed", "Allow: DELETE, GET, HEAD", 0},
		{"GET /nowhere HTTP/1.1", "404 Not Found", "404 page not found", 0},
		{"OPTIONS * HTTP/1.1", "200 OK", "Content-Length: 0", 0},
		{"GET * HTTP/1.1", "400 Bad Request", "", 0},
		{"GET /gone HTTP/1.1", "404 Not Found", "", 1},
		{"GET /old/1 HTTP/1.1", "307 Temporary Redirect", "Location: /secret-place", 1},
		{"CONNECT /tree/x HTTP/1.1", "200 OK", "/tree/", 1},
		{"CONNECT /tree HTTP/1.1", "307 Temporary Redirect", "Location: /tree/", 0},
		{"CONNECT ledger.example:443 HTTP/1.1", "405 Method Not Allowed", "Allow: GET, HEAD", 0},
	}
	for _, row := range rows {
		t.Run(row.request, func(t *testing.T) {
			asked = 0
			response := raw(t, server.Listener.Addr().String(), row.request+"\r\nHost: example.com\r\nConnection: close\r\n\r\n")
			require.True(t, strings.HasPrefix(response, "HTTP/1.1 "+row.status), response)
			require.Contains(t, response, row.contains)
			require.Equal(t, row.asked, asked)
		})
	}
}

// raw writes bytes to an address and reads until the connection is closed.
func raw(t testing.TB, address, text string) string {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(text))
	require.NoError(t, err)
	var response strings.Builder
	_, err = bufio.NewReader(conn).WriteTo(&response)
	require.NoError(t, err)
	return response.String()
}

// Behind a mux, describe reads the pattern and the path values that the mux has set.
func TestMux_GuardAroundOneRoute_SeesThePattern(t *testing.T) {
	var seen string
	protect := middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) { seen = route(r); return small, nil })
	mux := http.NewServeMux()
	mux.Handle("POST /accounts/{id}/notes/{name}", protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, route(r))
	})))
	server := serve(t, mux)
	response, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL+"/accounts/7/notes/a%2Fb", nil))
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Equal(t, `POST /accounts/{id}/notes/{name} id="7" name="a/b" rest=""`, body)
	require.Equal(t, body, seen)
}

// describe sees the pattern of the guarded mux, not that of the mux in front. An approval
// also binds the path with the prefix that a handler in front removed.
func TestMux_InsideAMux_SeesTheInnerPattern(t *testing.T) {
	t.Parallel()
	inner := muxOf("GET /users/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, route(r)) }))
	var seen string
	var asked aureus.Request
	protect := middleware.Enforce(wanting(&asked), func(r *http.Request) (aureus.Request, error) { seen = route(r); return small, nil })
	outer := muxOf("/admin/{name}/", http.StripPrefix("/admin/x", protect(inner)))
	got, _ := exchange(outer, http.MethodGet, "example.com", "/admin/x/users/7")
	require.Equal(t, `GET /users/{id} id="7" name="" rest=""`, got.body)
	require.Equal(t, got.body, seen)
	require.Equal(t, "/users/7", asked.HTTP.Path)
	require.Equal(t, []string{"/admin/x/users/7"}, asked.HTTP.Headers[":path"])
}

// Middleware in front of the guard learns the pattern, whether the request is allowed or
// not, as it does without a guard.
func TestMux_Pattern_IsCopiedToTheOuterRequest(t *testing.T) {
	t.Parallel()
	inFront := func(handler http.Handler) string {
		r := httptest.NewRequest(http.MethodGet, "/accounts/7", nil)
		handler.ServeHTTP(httptest.NewRecorder(), r)
		return r.Pattern
	}
	nothing := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	require.Equal(t, "GET /accounts/{id}", inFront(middleware.Enforce(allow, about(small))(fullMux(nothing))))
	require.Equal(t, "GET /accounts/{id}", inFront(middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(fullMux(nothing))))

	hidden := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fullMux(nothing).ServeHTTP(w, r) })
	require.Equal(t, "GET /accounts/{id}", inFront(middleware.Enforce(allow, about(small))(hidden)), "copied back")

	panicking := muxOf("/accounts/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") }))
	r := httptest.NewRequest(http.MethodGet, "/accounts/7", nil)
	require.Panics(t, func() {
		middleware.Enforce(allow, about(small))(http.HandlerFunc(panicking.ServeHTTP)).ServeHTTP(httptest.NewRecorder(), r)
	})
	require.Equal(t, "/accounts/", r.Pattern, "also after a panic")
}

// A guarded mux is safe for concurrent use from the first request on.
func TestMux_ConcurrentUse_IsSafe(t *testing.T) {
	t.Parallel()
	guarded := middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		return aureus.Request{Principal: aureus.Principal{ID: "p" + r.PathValue("id")}, Action: small.Action}, nil
	})(fullMux(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id")) })))
	var group sync.WaitGroup
	for i := range 32 {
		group.Go(func() {
			id := url.PathEscape(fmt.Sprintf("n/%d", i))
			got, _ := exchange(guarded, http.MethodGet, "example.com", "/accounts/"+id)
			if want := fmt.Sprintf("n/%d", i); got.body != want {
				t.Errorf("got %q, want %q", got.body, want)
			}
		})
	}
	group.Wait()
}

// A handler for CONNECT is guarded like any other.
func TestMux_ConnectRequest_IsRouted(t *testing.T) {
	server := serve(t, middleware.Enforce(saying(aureus.Decision{}, nil), about(small))(unreachable(t)))
	response := raw(t, server.Listener.Addr().String(), "CONNECT db.internal:5432 HTTP/1.1\r\nHost: db.internal:5432\r\nConnection: close\r\n\r\n")
	require.True(t, strings.HasPrefix(response, "HTTP/1.1 403 Forbidden"), response)
}
