package controlplane_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
)

// After the login the browser goes to the page that was asked for, and never elsewhere.
func TestConsole_Login_LeadsToPagesOfTheConsoleOnly(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	for next, target := range map[string]string{
		"":                                      "/console/",
		"/console/why?id=dec_1":                 "/console/why?id=dec_1",
		"/console/stops":                        "/console/stops",
		"//evil.example/console/":               "/console/",
		"/\\evil.example":                       "/console/",
		"/console/\\evil":                       "/console/",
		"https://evil.example/console/":         "/console/",
		"/console/../api/v1/stream":             "/console/",
		"/console/%2e%2e/x":                     "/console/",
		"/console//evil.example":                "/console/",
		"/api/v1/stream":                        "/console/",
		"/console/\r\nSet-Cookie: a=b":          "/console/",
		"/console/\u202e":                       "/console/",
		"/console/login?x":                      "/console/",
		"/console/events":                       "/console/",
		"javascript:alert(1)":                   "/console/",
		"/console/" + strings.Repeat("x", 2048): "/console/",
	} {
		o := &operator{handler: srv}
		response := o.visit(t, "/console/login", url.Values{"key": {key}, "next": {next}})
		require.Equal(t, http.StatusSeeOther, response.StatusCode, next)
		require.Equal(t, []string{target}, response.Header.Values("Location"), next)
		require.Len(t, o.cookies, 1, next)
	}
	o := &operator{handler: srv}
	require.Contains(t, o.page(t, http.StatusUnauthorized, "/console/why?id=dec_1", nil), `name="next" value="/console/why?id=dec_1"`)
	require.Contains(t, o.page(t, http.StatusUnauthorized, "/console/login", url.Values{"key": {"wrong"}, "next": {"/console/stops"}}), `name="next" value="/console/stops"`)
	require.Contains(t, o.page(t, http.StatusUnauthorized, "/console/login", url.Values{"key": {"wrong"}, "next": {"//evil.example"}}), `name="next" value="/console/"`)
}

// A link in a chat reaches the page: the browser asks again, from this origin.
func TestConsole_LinkFromAnotherSite_IsAskedForAgainWithTheCookie(t *testing.T) {
	t.Parallel()
	srv := open(t)
	link := http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"navigate"}}
	for _, row := range []struct {
		name    string
		o       operator
		refresh string
	}{
		{"a link from elsewhere", operator{header: link}, "0"},
		{"the second request", operator{header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}}}, ""},
		{"a session that has ended", operator{header: link, cookies: []*http.Cookie{{Name: "aureus-console", Value: "ended"}}}, ""},
		{"a part of another page", operator{header: http.Header{"Sec-Fetch-Site": {"cross-site"}, "Sec-Fetch-Mode": {"no-cors"}}}, ""},
	} {
		row.o.handler = srv
		response := row.o.visit(t, "/console/why?id=dec_1", nil)
		require.Equal(t, http.StatusUnauthorized, response.StatusCode)
		require.Equal(t, row.refresh, response.Header.Get("Refresh"), row.name)
	}
}

func TestConsole_LogOutEverywhere_EndsAllSessionsOfTheKey(t *testing.T) {
	t.Parallel()
	srv := open(t)
	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	here, there, other := logIn(t, srv, key), logIn(t, srv, key), logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	require.Contains(t, here.page(t, http.StatusOK, "/console/session", nil), "Your key has another session")
	here.page(t, http.StatusForbidden, "/console/logout", url.Values{"everywhere": {"yes"}, "csrf": there.form(t, nil)["csrf"]})
	there.page(t, http.StatusOK, "/console/", nil)
	here.page(t, http.StatusSeeOther, "/console/logout", here.form(t, map[string]string{"everywhere": "yes"}))
	there.page(t, http.StatusUnauthorized, "/console/", nil)
	other.page(t, http.StatusOK, "/console/", nil)
}

// Whoever may store a bundle cannot make the server write pages without end.
func TestConsole_LargeTexts_AreShownInParts(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	empty := bytes.Repeat([]byte("\n"), 1<<20)
	long := []byte("# " + strings.Repeat("<", 100<<10) + "\n")
	put(t, srv, append(append(ledgerBundle(1), long...), empty...))
	last := strings.Count(string(ledgerBundle(1)), "\n") + 1 + len(empty)

	page := o.page(t, http.StatusOK, "/console/policy", nil)
	require.Less(t, len(page), 1<<20)
	require.Contains(t, page, "… 98306 more bytes")
	require.Contains(t, page, "lines 1 to 2000")
	require.Contains(t, page, `href="?line=2001#text">Lines after`)
	page = o.page(t, http.StatusOK, fmt.Sprintf("/console/versions/1?line=%d", last), nil)
	require.Contains(t, page, fmt.Sprintf(`id="L%d"`, last))
	require.NotContains(t, page, "Lines after")
	require.Contains(t, page, "Lines before")
	require.Equal(t, page, o.page(t, http.StatusOK, "/console/versions/1?line=9223372036854775807", nil))
	o.page(t, http.StatusBadRequest, "/console/versions/1?line=-1", nil)

	put(t, srv, append(ledgerBundle(2), empty...))
	require.Contains(t, o.page(t, http.StatusOK, "/console/diff?from=1&to=2", nil), "too many lines to be compared")
	changed := bytes.Repeat([]byte("# changed\n"), 5000)
	put(t, srv, ledgerBundle(3))
	put(t, srv, append(ledgerBundle(4), changed...))
	page = o.page(t, http.StatusOK, "/console/diff?from=3&to=4", nil)
	require.Contains(t, page, "is shown as replaced")
	require.Contains(t, page, "more lines are not shown")
	require.Less(t, strings.Count(page, "# changed"), 2001)
}

func TestConsole_ManyActions_AreFilteredAndPaged(t *testing.T) {
	t.Parallel()
	srv := open(t)
	o := logIn(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga"))
	var actions, rules strings.Builder
	for i := range 350 {
		fmt.Fprintf(&actions, "  many.%03d: {tier: low, requires: [{action: read, resource: ledger}]}\n", i)
	}
	for i := range 50 {
		fmt.Fprintf(&rules, "  - {id: extra-%d, effect: deny, actions: [transfer.make], when: \"arguments.amount == %d.0\", reason: r}\n", i, i)
	}
	put(t, srv, ledgerBundle(1, "rules:\n", actions.String()+"rules:\n"+rules.String()))
	page := o.page(t, http.StatusOK, "/console/policy", nil)
	require.Contains(t, page, "1 to 100 of 355")
	require.Contains(t, page, "and 32 more", "of the rules of one action")
	require.NotContains(t, page, `>many.200<`)
	page = o.page(t, http.StatusOK, "/console/policy?q=&from=200", nil)
	require.Contains(t, page, `>many.200<`)
	require.Contains(t, page, "201 to 300 of 355")
	require.Contains(t, page, `href="?from=100&amp;q=#actions"`)
	require.Contains(t, page, `href="?from=300&amp;q=#actions"`)
	page = o.page(t, http.StatusOK, "/console/policy?q=MANY.34", nil)
	require.Equal(t, 10, strings.Count(page, `>many.34`))
	require.NotContains(t, page, `>many.200<`)
	require.Contains(t, o.page(t, http.StatusOK, "/console/policy?q=nothing", nil), "No action has this")
	o.page(t, http.StatusBadRequest, "/console/policy?q="+strings.Repeat("x", 201), nil)
}

// live is a browser with a connection, which follows the changes.
type live struct {
	*http.Client
	address string
}

// follow opens the stream of changes.
func (l live) follow(t *testing.T, header http.Header) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, l.address+"/console/events", nil)
	require.NoError(t, err)
	maps.Copy(r.Header, header)
	response, err := l.Do(r)
	require.NoError(t, err)
	t.Cleanup(func() { _ = response.Body.Close() })
	return response
}

// until reads the stream up to a line that begins so, and returns the line.
func until(t *testing.T, stream *bufio.Scanner, prefix string) string {
	t.Helper()
	for stream.Scan() {
		if strings.HasPrefix(stream.Text(), prefix) {
			return stream.Text()
		}
	}
	require.Fail(t, "the stream ended", "before %q: %v", prefix, stream.Err())
	return ""
}

// A page that is open in a browser keeps a stream open, for which http.Server.Shutdown would
// wait until its context ends.
func TestConsole_Events_EndStreams_LetsShutdownReturn(t *testing.T) {
	t.Parallel()
	srv := open(t)
	server := httptest.NewServer(srv)
	t.Cleanup(server.Close)
	server.Config.RegisterOnShutdown(srv.EndStreams)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	l := live{&http.Client{Jar: jar}, server.URL}
	response, err := l.PostForm(server.URL+"/console/login", url.Values{"key": {newKey(t, srv, controlplane.RoleOperator, "olga")}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	opened := l.follow(t, nil)
	stream := bufio.NewScanner(opened.Body)
	require.Equal(t, "data: start", until(t, stream, "data:"))

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, server.Config.Shutdown(ctx))
	for stream.Scan() {
	}
	require.NoError(t, stream.Err(), "the stream has a proper end")

	refused := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+"/console/events", http.NoBody)
	address, err := url.Parse(server.URL + "/console/events")
	require.NoError(t, err)
	for _, cookie := range jar.Cookies(address) {
		r.AddCookie(cookie)
	}
	srv.ServeHTTP(refused, r)
	require.Equal(t, http.StatusServiceUnavailable, refused.Code, "%s", refused.Body)
}

func TestConsole_Events_NameWhatChangesUntilTheSessionEnds(t *testing.T) {
	t.Parallel()
	srv := open(t)
	server := httptest.NewServer(srv)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	l := live{&http.Client{Jar: jar}, server.URL}
	require.Equal(t, http.StatusUnauthorized, l.follow(t, nil).StatusCode)

	key := newKey(t, srv, controlplane.RoleOperator, "olga")
	response, err := l.PostForm(server.URL+"/console/login", url.Values{"key": {key}})
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusForbidden, l.follow(t, http.Header{"Sec-Fetch-Site": {"cross-site"}}).StatusCode)

	opened := l.follow(t, nil)
	require.Equal(t, http.StatusOK, opened.StatusCode)
	require.Equal(t, "text/event-stream", opened.Header.Get("Content-Type"))
	stream := bufio.NewScanner(opened.Body)
	require.Equal(t, "data: start", until(t, stream, "data:"))
	for range 3 {
		require.Equal(t, http.StatusOK, l.follow(t, nil).StatusCode)
	}
	require.Equal(t, http.StatusTooManyRequests, l.follow(t, nil).StatusCode, "a session has a limit")

	_, err = srv.Operator("olga").StopPolicy(t.Context(), "principal:mallory", "a secret reason")
	require.NoError(t, err)
	line := until(t, stream, "data:")
	require.Contains(t, line, "policy")
	require.NotContains(t, line, "mallory")

	id, _, _ := strings.Cut(key, ".")
	require.NoError(t, srv.Keys().Revoke(t.Context(), "test", id))
	require.Equal(t, "event: end", until(t, stream, "event: end"))
	for stream.Scan() {
	}
	require.NoError(t, stream.Err())
}
