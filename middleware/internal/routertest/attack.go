package routertest

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// The parts of the requests of RunAttacks: methods, paths, and changes of the paths that a
// router, a middleware or a handler may undo.
var (
	attackMethods  = []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW", "get"}
	changedMethods = []string{"GET", "HEAD", "POST", "DELETE"} // of changed paths
	attackPaths    = []string{
		"/accounts/acme", "/accounts/payroll", "/accounts/payroll/transfers", "/files/public/a", "/files/secret/x", "/files/secret", "/files/public/b/c",
		"/search?q=secret", "/search?q=open&q=secret", "/search?Q=secret", "/healthz", "/forgotten", "/nowhere", "/", "",
	}
	attackHeaders = [][2]string{
		{},
		{"X-Http-Method-Override", "GET"},
		{"X-Http-Method-Override", "DELETE"},
		{"X-Method-Override", "GET"},
		{"X-Rewrite-Url", "/healthz"},
		{"X-Original-Url", "/forgotten"},
		{"X-Forwarded-Prefix", "/forgotten"},
		{"Upgrade", "websocket"},
	}
	attackChanges = []func(string) string{
		func(p string) string { return p },
		func(p string) string { return p + "/" },
		func(p string) string { return p + "//" },
		func(p string) string { return "/" + p },
		func(p string) string { return strings.Replace(p, "/", "//", 2) },
		func(p string) string { return strings.ReplaceAll(p, "/", "//") },
		func(p string) string { return "/." + p },
		func(p string) string { return "/healthz/.." + p },
		func(p string) string { return "/healthz/%2e%2e" + p },
		func(p string) string { return strings.Replace(p, "/files/", "/files/public/../", 1) },
		func(p string) string { return strings.Replace(p, "/files/", "/files/public/%2e%2e/", 1) },
		func(p string) string { return strings.Replace(p, "/files/", "/files/./", 1) },
		func(p string) string { return strings.Replace(p, "/files/", "/files/%2E/", 1) },
		func(p string) string { return strings.Replace(p, "/files/", "/files//", 1) },
		func(p string) string { return strings.Replace(p, "/files/", "/files/%2F", 1) },
		func(p string) string { return strings.Replace(p, "secret/", "secret%2F", 1) },
		func(p string) string { return strings.Replace(p, "secret/", "secret%2f", 1) },
		func(p string) string { return strings.Replace(p, "secret/", "secret%252F", 1) },
		func(p string) string { return strings.Replace(p, "secret/", "secret%5C", 1) },
		func(p string) string { return strings.Replace(p, "/payroll", "/pay%72oll", 1) },
		func(p string) string { return strings.Replace(p, "/payroll", "/pay%2572oll", 1) },
		func(p string) string { return strings.Replace(p, "/payroll", "/pay%252572oll", 1) },
		func(p string) string { return strings.Replace(p, "/payroll", "/%70%61%79%72%6f%6c%6C", 1) },
		func(p string) string { return strings.Replace(p, "/secret", "/%73ecret", 1) },
		func(p string) string { return strings.Replace(p, "/secret", "/%2573ecret", 1) },
		func(p string) string { return strings.Replace(p, "/accounts/", "/accounts%2F", 1) },
		func(p string) string { return strings.Replace(p, "/accounts/", "/%61ccounts/", 1) },
		func(p string) string { return strings.Replace(p, "/forgotten", "/%66orgotten", 1) },
		func(p string) string { return strings.Replace(p, "?", "%3F", 1) },
		func(p string) string { return p + "%00" },
		func(p string) string { return p + "%0A" },
		func(p string) string { return p + ";a=b" },
		func(p string) string { return p + ".json" },
		func(p string) string { return p + "?_method=DELETE" },
		func(p string) string { return p + "%20" },
		func(p string) string { return p + "/%2e" },
		func(p string) string { return p + "/.." },
		strings.ToUpper,
		func(p string) string { return "http://other.example" + p },
	}
)

// RunAttacks sends combinations of methods, paths, changes and headers to a service under
// the policy bundle. A handler that is not open runs at most once for a request, and only after
// a decision on its own route, with the values that it reads, however it reads them.
func RunAttacks(t *testing.T, service Service) {
	t.Helper()
	s := newGuardedService(t, service)
	sent := 0
	for _, method := range attackMethods {
		for _, target := range attackPaths {
			for i, change := range attackChanges {
				for j, header := range attackHeaders {
					if i > 0 && (j > 1 || (j == 1 && method != http.MethodPost) || !slices.Contains(changedMethods, method)) {
						continue
					}
					line := method + " " + change(target)
					if r, ok := received(t, line, header); ok {
						sent++
						s.attack(t, line+" "+strings.Join(header[:], ": "), r)
					}
				}
			}
		}
	}
	require.Greater(t, sent, 1000, "hardly any request could be read")
}

// received returns the request as a server reads it, or false if a server does not accept it.
func received(t *testing.T, line string, header [2]string) (*http.Request, bool) {
	t.Helper()
	text := line + " HTTP/1.1\r\nHost: ledger.example\r\nUser: ann\r\n"
	if header[0] != "" {
		text += header[0] + ": " + header[1] + "\r\n"
	}
	body := ""
	if strings.Contains(line, "transfers") {
		body = `{"amount":5}`
		text += "Content-Type: application/json\r\nContent-Length: 12\r\n"
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(text + "\r\n" + body)))
	if err != nil {
		return nil, false
	}
	r.RemoteAddr = "192.0.2.1:1234"
	return r.WithContext(t.Context()), true
}

// attack serves one request and checks what happened.
func (s *guardedService) attack(t *testing.T, name string, r *http.Request) {
	t.Helper()
	s.asked, s.reached, s.outcomes = nil, nil, nil
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	require.LessOrEqual(t, len(s.reached), 1, name)
	if len(s.reached) == 0 {
		return
	}
	seen := s.reached[0]
	if seen.route == health {
		return
	}
	require.NotEqual(t, forgotten, seen.route, "%s: it reached a handler that is bound to nothing", name)
	require.Len(t, s.asked, 1, name)
	require.Equal(t, seen.route, s.asked[0].Route, "%s: it was decided on as another route", name)
	method, _, _ := strings.Cut(seen.route, " ")
	require.True(t, seen.method == method || (method == http.MethodGet && seen.method == http.MethodHead), "%s: the handler saw the method %s", name, seen.method)
	arguments, _ := s.asked[0].Arguments.(map[string]any)
	for key, value := range seen.values {
		require.Equal(t, value, arguments[key], "%s: the handler read another %s", name, key)
		for range 3 {
			if plain, err := url.PathUnescape(value); err == nil {
				value = plain
			}
		}
		require.Equal(t, arguments[key], value, "%s: a handler that unescapes %s reads another one", name, key)
		clean := strings.TrimPrefix(path.Clean("/"+value), "/")
		require.Equal(t, clean, strings.TrimSuffix(value, "/"), "%s: a handler that cleans %s reads another one", name, key)
		require.False(t, clean == "payroll" || clean == "secret" || strings.HasPrefix(clean, "secret/"), "%s: it reached %s, which a rule denies", name, value)
	}
	require.NotEqual(t, closeAccount, seen.route, "%s: it reached a handler that needs a person", name)
	require.True(t, slices.ContainsFunc(s.outcomes, func(o aureus.Outcome) bool { return o.Status != "refused" }), name)
}
