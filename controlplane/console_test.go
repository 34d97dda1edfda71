package controlplane_test

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// operator is a browser in which somebody uses the console.
type operator struct {
	handler http.Handler
	cookies []*http.Cookie
	host    string // empty means localhost
	tls     bool
	header  http.Header // of every request
}

// visit sends a request. With fields it is a POST with a form.
func (o *operator) visit(t *testing.T, path string, fields url.Values) *http.Response {
	t.Helper()
	method := http.MethodGet
	if fields != nil {
		method = http.MethodPost
	}
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(fields.Encode()))
	r.Host = cmp.Or(o.host, "localhost")
	if o.tls {
		r.TLS = &tls.ConnectionState{}
	}
	if fields != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	maps.Copy(r.Header, o.header)
	for _, cookie := range o.cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, r)
	response := w.Result()
	t.Cleanup(func() { _ = response.Body.Close() })
	for _, set := range response.Cookies() {
		o.cookies = slices.DeleteFunc(o.cookies, func(c *http.Cookie) bool { return c.Name == set.Name })
		if set.MaxAge >= 0 {
			o.cookies = append(o.cookies, set)
		}
	}
	return response
}

// page returns the text of a page, whose status must be this one.
func (o *operator) page(t *testing.T, status int, path string, fields url.Values) string {
	t.Helper()
	response := o.visit(t, path, fields)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Equal(t, status, response.StatusCode, "%s: %s", path, text)
	return string(text)
}

var csrfForm = regexp.MustCompile(`name="csrf" value="([^"]*)"`)

// form returns the fields with the text against forgery of the operator's session.
func (o *operator) form(t *testing.T, fields map[string]string) url.Values {
	t.Helper()
	found := csrfForm.FindStringSubmatch(o.page(t, http.StatusOK, "/console/stops", nil))
	require.NotNil(t, found)
	values := url.Values{"csrf": {found[1]}}
	for name, value := range fields {
		values.Set(name, value)
	}
	return values
}

// logIn returns a browser with a session of the key.
func logIn(t *testing.T, handler http.Handler, key string) *operator {
	t.Helper()
	o := &operator{handler: handler}
	require.Equal(t, http.StatusSeeOther, o.visit(t, "/console/login", url.Values{"key": {key}}).StatusCode)
	require.Len(t, o.cookies, 1)
	return o
}

// consolePages are the paths that need a session.
var consolePages = []string{"/console/", "/console/policy", "/console/?show=decided", "/console/approvals/apr_none", "/console/runs", "/console/runs/none", "/console/audit", "/console/audit/verify", "/console/audit/1", "/console/versions/1", "/console/history", "/console/diff?from=1&to=2", "/console/stops", "/console/why", "/console/session", "/console/nothing"}

var consoleHeaders = map[string]string{
	"Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
	"X-Content-Type-Options":  "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "same-origin", "Cache-Control": "no-store", "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
	"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}

func TestConsole_EveryResponse_HasTheHeaders(t *testing.T) {
	t.Parallel()
	srv := open(t)
	put(t, srv, ledgerBundle(1))
	put(t, srv, ledgerBundle(2))
	outside, inside := &operator{handler: srv}, logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	check := func(response *http.Response, path string) {
		t.Helper()
		for name, value := range consoleHeaders {
			if name == "Cache-Control" && strings.Contains(path, "/static/") {
				value = "no-cache" // nothing of a tenant
			}
			require.Equal(t, []string{value}, response.Header.Values(name), "%s of %s", name, path)
		}
		text, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		if strings.HasPrefix(response.Header.Get("Content-Type"), "text/html") {
			require.NotRegexp(t, `(?i)<style|\sstyle=|\son[a-z]+=|<script>|javascript:|https?://`, string(text), path)
		}
	}
	for _, path := range append(consolePages, "/console", "/console/login", "/console/static/style.css", "/console/static/script.js", "/console/why?id=x", "/console/why?other=x") {
		check(outside.visit(t, path, nil), path)
		check(inside.visit(t, path, nil), path)
	}
	for _, path := range []string{"/console/login", "/console/logout", "/console/stops", "/console/stops/lift"} {
		check(outside.visit(t, path, url.Values{"key": {"wrong"}}), path)
		check(inside.visit(t, path, url.Values{"unknown": {"field"}}), path)
	}
	require.Equal(t, "text/css; charset=utf-8", outside.visit(t, "/console/static/style.css", nil).Header.Get("Content-Type"))
	require.Equal(t, "text/javascript; charset=utf-8", outside.visit(t, "/console/static/script.js", nil).Header.Get("Content-Type"))
}

func TestConsole_WithoutSession_ShowsTheLoginOnly(t *testing.T) {
	t.Parallel()
	srv := open(t)
	put(t, srv, ledgerBundle(1))
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	for _, path := range consolePages {
		o := &operator{handler: srv, cookies: []*http.Cookie{{Name: "aureus-console", Value: "guessed"}}, header: http.Header{"Authorization": {"Bearer " + key}}}
		text := o.page(t, http.StatusUnauthorized, path, nil)
		require.Contains(t, text, "<h1>Log in</h1>", path)
		require.Contains(t, text, "your session has ended")
		require.NotContains(t, text, "ledger", path)
	}
	for _, path := range []string{"/console/stops", "/console/stops/lift", "/console/logout"} {
		(&operator{handler: srv}).page(t, http.StatusUnauthorized, path, url.Values{"kind": {"all"}, "scope": {"all"}, "reason": {"x"}, "csrf": {""}})
	}
	require.NotContains(t, (&operator{handler: srv}).page(t, http.StatusOK, "/console/login", nil), "has ended")
}

func TestConsole_Cookie_IsAsStrictAsTheConnectionAllows(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	for _, row := range []struct {
		name   string
		o      operator
		secure bool
	}{
		{"loopback", operator{}, false},
		{"loopback with TLS", operator{tls: true}, true},
		{"behind a proxy that ends TLS", operator{host: "aureus.example.com", header: http.Header{"Origin": {"https://aureus.example.com"}}}, true},
		{"behind a proxy that names this machine as the host", operator{header: http.Header{"X-Forwarded-Proto": {"https"}, "Sec-Fetch-Site": {"same-origin"}}}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.o.handler = srv
			row.o.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}})
			require.Len(t, row.o.cookies, 1)
			cookie := row.o.cookies[0]
			require.True(t, cookie.HttpOnly)
			require.Equal(t, http.SameSiteStrictMode, cookie.SameSite)
			require.Empty(t, cookie.Domain)
			require.Zero(t, cookie.MaxAge)
			require.Equal(t, row.secure, cookie.Secure)
			require.GreaterOrEqual(t, len(cookie.Value), 43)
			if row.secure {
				require.Equal(t, "__Host-aureus-console", cookie.Name)
				require.Equal(t, "/", cookie.Path)
			} else {
				require.Equal(t, "aureus-console", cookie.Name)
				require.Equal(t, "/console/", cookie.Path)
			}
			require.Contains(t, row.o.page(t, http.StatusOK, "/console/policy", nil), "No policy bundle")
		})
	}
	plain := operator{handler: srv, host: "aureus.example.com", header: http.Header{"Origin": {"http://aureus.example.com"}}}
	require.Contains(t, plain.page(t, http.StatusForbidden, "/console/login", url.Values{"key": {key}}), "the console needs HTTPS")
	require.Empty(t, plain.cookies)
}

func TestConsole_Login_RefusesOtherKeysAndForms(t *testing.T) {
	t.Parallel()
	var logs bytes.Buffer // handlers are called one after the other
	srv := open(t, func(c *controlplane.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	key, service := newKey(t, srv, controlplane.RoleOperator, "olga"), newKey(t, srv, controlplane.RoleService, "svc")
	for _, row := range []struct {
		name   string
		fields url.Values
		header http.Header
		status int
		says   string
	}{
		{"no key", url.Values{"key": {""}}, nil, http.StatusUnauthorized, "the API key is not accepted"},
		{"a wrong key", url.Values{"key": {key + "x"}}, nil, http.StatusUnauthorized, "the API key is not accepted"},
		{"a long key", url.Values{"key": {strings.Repeat("x", 600)}}, nil, http.StatusUnauthorized, "the API key is not accepted"},
		{"the key of a service", url.Values{"key": {service}}, nil, http.StatusForbidden, "role service may not do this; it needs operator"},
		{"the key twice", url.Values{"key": {key, key}}, nil, http.StatusBadRequest, "repeated or unknown"},
		{"another field", url.Values{"key": {key}, "to": {"//evil"}}, nil, http.StatusBadRequest, "repeated or unknown"},
		{"a long form", url.Values{"key": {strings.Repeat("x", 5000)}}, nil, http.StatusRequestEntityTooLarge, "too large"},
		{"a form of another site", url.Values{"key": {key}}, http.Header{"Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden, "other origins"},
		{"a form of a sibling host", url.Values{"key": {key}}, http.Header{"Sec-Fetch-Site": {"same-site"}}, http.StatusForbidden, "other origins"},
		{"a form of another origin", url.Values{"key": {key}}, http.Header{"Origin": {"http://localhost:99"}}, http.StatusForbidden, "other origins"},
		{"a form without an origin", url.Values{"key": {key}}, http.Header{"Origin": {"null"}}, http.StatusForbidden, "other origins"},
		{"JSON", url.Values{"key": {key}}, http.Header{"Content-Type": {"application/json"}}, http.StatusUnsupportedMediaType, "not a form"},
	} {
		o := &operator{handler: srv, header: row.header}
		text := o.page(t, row.status, "/console/login", row.fields)
		require.Contains(t, text, row.says, row.name)
		require.Empty(t, o.cookies, row.name)
		require.NotContains(t, text, key, row.name)
	}
	o := logIn(t, srv, key)
	require.NotContains(t, o.page(t, http.StatusOK, "/console/", nil), key)
	require.NotContains(t, logs.String(), key)
	require.NotContains(t, logs.String(), o.cookies[0].Value)
	require.Contains(t, logs.String(), "an operator logged in to the console")
	require.Equal(t, http.StatusSeeOther, o.visit(t, "/console/login", nil).StatusCode, "who is logged in needs no login page")
}

// A session has an id that nobody but the server chose, and a login ends the session
// before it.
func TestConsole_Login_MakesANewSession(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	planted := &operator{handler: srv, cookies: []*http.Cookie{{Name: "aureus-console", Value: "planted"}}}
	planted.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}})
	require.Len(t, planted.cookies, 1)
	require.NotEqual(t, "planted", planted.cookies[0].Value)

	first := planted.cookies[0]
	planted.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}})
	require.NotEqual(t, first.Value, planted.cookies[0].Value)
	old := &operator{handler: srv, cookies: []*http.Cookie{first}}
	old.page(t, http.StatusUnauthorized, "/console/", nil)

	twice := &operator{handler: srv, cookies: []*http.Cookie{planted.cookies[0], {Name: "aureus-console", Value: "planted"}}}
	twice.page(t, http.StatusUnauthorized, "/console/", nil)
	planted.page(t, http.StatusOK, "/console/", nil)
}

func TestConsole_FailedLogins_AreLimited(t *testing.T) {
	t.Parallel()
	now := newClock()
	srv := open(t, at(now))
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	o := &operator{handler: srv}
	for range 100 {
		o.page(t, http.StatusUnauthorized, "/console/login", url.Values{"key": {"key_x.wrong"}})
	}
	response := o.visit(t, "/console/login", url.Values{"key": {"key_x.wrong"}})
	require.Equal(t, http.StatusTooManyRequests, response.StatusCode)
	require.NotEmpty(t, response.Header.Get("Retry-After"))
	o.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}}) // a proxy's address is that of all its users

	for range 1000 {
		o.visit(t, "/console/login", url.Values{"key": {"key_x.wrong"}})
	}
	o.page(t, http.StatusTooManyRequests, "/console/login", url.Values{"key": {key}})
	other := &operator{handler: fromAddress{srv, "203.0.113.7:4444"}}
	other.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}})
	now.Advance(61 * time.Second)
	o.page(t, http.StatusSeeOther, "/console/login", url.Values{"key": {key}})
}

// fromAddress makes requests come from an address.
type fromAddress struct {
	http.Handler
	address string
}

func (f fromAddress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.RemoteAddr = f.address
	f.Handler.ServeHTTP(w, r)
}

func TestConsole_NoConsole_HasNoPages(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.NoConsole = true })
	for _, path := range append(consolePages, "/console", "/console/login", "/console/static/style.css") {
		raw{method: http.MethodGet, path: path}.do(t, srv).refusal(t, http.StatusNotFound, "NOT_FOUND")
	}
}

func TestConsole_DevelopmentMode_NeedsTheOperatorsKey(t *testing.T) {
	t.Parallel()
	const key = "operators-key-for-tests"
	srv := open(t, func(c *controlplane.Config) { c.Dev, c.OperatorKey = true, key })
	o := &operator{handler: srv}
	o.page(t, http.StatusUnauthorized, "/console/", nil)
	o.page(t, http.StatusUnauthorized, "/console/login", url.Values{"key": {""}})
	o = logIn(t, srv, key)
	require.Contains(t, o.page(t, http.StatusOK, "/console/", nil), "operator")
	o.page(t, http.StatusSeeOther, "/console/stops", o.form(t, map[string]string{"kind": "all", "reason": "exercise"}))
	require.Equal(t, http.StatusForbidden, (&operator{handler: srv, host: "evil.example"}).visit(t, "/console/login", nil).StatusCode)
}

// The description of the API has none of the pages.
func TestConsole_Pages_AreNoPartOfTheAPI(t *testing.T) {
	t.Parallel()
	require.NotContains(t, string(controlplane.Contract()), "/console")
	pages := 0
	for _, route := range controlplane.Routes(open(t)) {
		if _, path, _ := strings.Cut(route.Pattern, " "); strings.HasPrefix(path, "/console") {
			require.NotNil(t, route.Page, route.Pattern)
			pages++
		}
	}
	require.Greater(t, pages, 10)
}

func TestConsole_AnotherTenant_SeesNothing(t *testing.T) {
	t.Parallel()
	srv := open(t)
	put(t, srv, ledgerBundle(1))
	put(t, srv, ledgerBundle(2))
	decided, err := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc")).Decide(t.Context(), aureus.Request{
		Principal: aureus.Principal{ID: "clerk", Type: "agent"}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"amount": 1, "to": "mallory"},
	})
	require.NoError(t, err)
	mine := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	mine.page(t, http.StatusSeeOther, "/console/stops", mine.form(t, map[string]string{"kind": "principal", "name": "mallory", "reason": "fraud"}))

	other := logIn(t, srv, newKey(t, srv, controlplane.RoleAdmin, "eve", func(k *controlplane.Key) { k.Tenant = "other" }))
	for path, status := range map[string]int{
		"/console/": http.StatusOK, "/console/history": http.StatusOK, "/console/stops": http.StatusOK,
		"/console/versions/1": http.StatusNotFound, "/console/diff?from=1&to=2": http.StatusNotFound, "/console/why?id=" + decided.ID.String(): http.StatusNotFound,
	} {
		text := other.page(t, status, path, nil)
		require.NotContains(t, text, "ledger", path)
		require.NotContains(t, text, "mallory", path)
		require.NotContains(t, text, "frozen", path)
	}
	other.page(t, http.StatusNotFound, "/console/stops/lift", other.form(t, map[string]string{"scope": "principal:mallory"}))
	require.Contains(t, mine.page(t, http.StatusOK, "/console/stops", nil), "principal:mallory")
	require.Contains(t, mine.page(t, http.StatusOK, "/console/why?id="+decided.ID.String(), nil), "the account is frozen")
}
