package middleware_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

func TestPrincipalFromContext_InvalidPrincipal_IsErrNoIdentity(t *testing.T) {
	t.Parallel()
	got, err := middleware.PrincipalFromContext(middleware.WithPrincipal(t.Context(), agent))
	require.NoError(t, err)
	require.Equal(t, agent, got)
	for name, ctx := range map[string]context.Context{
		"nobody":                         t.Context(),
		"without an id":                  middleware.WithPrincipal(t.Context(), aureus.Principal{Type: "agent"}),
		"replaced by an empty principal": middleware.WithPrincipal(middleware.WithPrincipal(t.Context(), agent), aureus.Principal{}),
	} {
		got, err := middleware.PrincipalFromContext(ctx)
		require.ErrorIs(t, err, middleware.ErrNoIdentity, name)
		require.Equal(t, aureus.Principal{}, got, name)
	}
}

func TestTrustedHeader_Requests_AreAcceptedOrRefused(t *testing.T) {
	identify := middleware.TrustedHeader("x-agent-id", netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("127.0.0.1/32"))
	rows := []struct {
		name   string
		peer   string
		values []string
		want   string // empty: refused
	}{
		{"from a proxy", "10.200.0.9:555", []string{"agent-7"}, "agent-7"},
		{"from a proxy over IPv6", "[2001:db8::1]:555", []string{"agent-7"}, "agent-7"},
		{"from a proxy, as an IPv4-mapped address", "[::ffff:10.0.0.1]:555", []string{"agent-7"}, "agent-7"},
		{"from a proxy with a zone", "[2001:db8::1%eth0]:555", []string{"agent-7"}, "agent-7"},
		{"a value with a space and an accent", "127.0.0.1:1", []string{"agent é 7"}, "agent é 7"},
		{"a list is one value", "127.0.0.1:1", []string{"agent-7, admin"}, "agent-7, admin"},
		{"at the length limit", "127.0.0.1:1", []string{strings.Repeat("a", 256)}, strings.Repeat("a", 256)},
		{"from elsewhere", "11.0.0.1:555", []string{"agent-7"}, ""},
		{"from the next address", "127.0.0.2:555", []string{"agent-7"}, ""},
		{"from elsewhere, as an IPv4-mapped address", "[::ffff:11.0.0.1]:555", []string{"agent-7"}, ""},
		{"from a Unix socket", "@", []string{"agent-7"}, ""},
		{"without an address", "", []string{"agent-7"}, ""},
		{"from an address without a port", "10.0.0.1", []string{"agent-7"}, ""},
		{"from a name", "localhost:80", []string{"agent-7"}, ""},
		{"without the header", "127.0.0.1:1", nil, ""},
		{"twice", "127.0.0.1:1", []string{"agent-7", "agent-8"}, ""},
		{"twice the same", "127.0.0.1:1", []string{"agent-7", "agent-7"}, ""},
		{"empty", "127.0.0.1:1", []string{""}, ""},
		{"only a space", "127.0.0.1:1", []string{" "}, ""},
		{"a space before", "127.0.0.1:1", []string{" agent-7"}, ""},
		{"a no-break space after", "127.0.0.1:1", []string{"agent-7\u00a0"}, ""},
		{"too long", "127.0.0.1:1", []string{strings.Repeat("a", 257)}, ""},
		{"a control character", "127.0.0.1:1", []string{"agent\x007"}, ""},
		{"a line break", "127.0.0.1:1", []string{"agent-7\r\nX-Agent-Id: admin"}, ""},
		{"not UTF-8", "127.0.0.1:1", []string{"agent\xff"}, ""},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = row.peer
			if row.values != nil {
				r.Header["X-Agent-Id"] = row.values
			}
			who, err := identify(r)
			if row.want == "" {
				require.ErrorIs(t, err, middleware.ErrNoIdentity)
				require.Equal(t, aureus.Principal{}, who)
				require.NotContains(t, err.Error(), "agent-7", "an unauthenticated name is not logged")
				return
			}
			require.NoError(t, err)
			require.Equal(t, aureus.Principal{ID: row.want}, who)
			require.Equal(t, row.values, r.Header["X-Agent-Id"], "nothing is removed")
		})
	}
}

func TestTrustedHeader_InvalidArguments_Panic(t *testing.T) {
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for says, build := range map[string]func(){
		"needs a name":               func() { middleware.TrustedHeader("", loopback) },
		"is not a valid header name": func() { middleware.TrustedHeader("X Agent", loopback) },
		"give the prefixes":          func() { middleware.TrustedHeader("X-Agent") },
		"prefix is invalid":          func() { middleware.TrustedHeader("X-Agent", netip.Prefix{}) },
		"0.0.0.0/0 trusts":           func() { middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("0.0.0.0/0")) },
		"::/0 trusts":                func() { middleware.TrustedHeader("X-Agent", loopback, netip.MustParsePrefix("::/0")) },
		"would match nothing":        func() { middleware.TrustedHeader("X-Agent", netip.MustParsePrefix("::ffff:10.0.0.0/104")) },
		"\"X-Agent:\" is not":        func() { middleware.TrustedHeader("X-Agent:", loopback) },
		"\"X-Ägent\" is not":         func() { middleware.TrustedHeader("X-Ägent", loopback) },
		"\"X-A\\r\\nB\" is not":      func() { middleware.TrustedHeader("X-A\r\nB", loopback) },
	} {
		t.Run(says, func(t *testing.T) {
			defer func() { require.Contains(t, fmt.Sprint(recover()), says) }()
			build()
		})
	}
}

// A client sends headers to pretend to be another principal, directly and through a proxy
// that sets the header.
func TestTrustedHeader_SmuggledHeaders_AreRefused(t *testing.T) {
	identify := middleware.TrustedHeader("X-Agent-Id", netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	service := serve(t, middleware.Enforce(&guard.Local{}, func(r *http.Request) (aureus.Request, error) {
		who, err := identify(r)
		return aureus.Request{Principal: who, Action: small.Action}, err
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		decision, _ := aureus.DecisionFromContext(r.Context())
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, "you are "+decision.PrincipalID)
	})))
	target, err := url.Parse(service.URL)
	require.NoError(t, err)
	proxy := serve(t, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Set("X-Agent-Id", "mallory") // the principal that the proxy has authenticated
	}})

	// The service trusts this machine, so these requests go to it directly.
	straight := map[string]string{
		"two headers":            "X-Agent-Id: mallory\r\nX-Agent-Id: admin\r\n",
		"two headers, two cases": "X-Agent-Id: mallory\r\nx-agent-id: admin\r\n",
		"an empty header":        "X-Agent-Id:\r\n",
		"a trailer":              "Transfer-Encoding: chunked\r\nTrailer: X-Agent-Id\r\n\r\n0\r\nX-Agent-Id: admin\r\n",
		"an underscore":          "X_Agent_Id: admin\r\n",
		"a space before a colon": "X-Agent-Id : admin\r\n",
	}
	for name, headers := range straight {
		t.Run("direct, "+name, func(t *testing.T) {
			response := raw(t, service.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"+headers+"\r\n")
			require.NotContains(t, response, "you are admin")
			require.NotContains(t, response, "HTTP/1.1 200")
		})
	}
	// Through the proxy, the principal is always the one that the proxy sets.
	for name, headers := range map[string]string{
		"no header":           "",
		"the header":          "X-Agent-Id: admin\r\n",
		"the header twice":    "X-Agent-Id: admin\r\nX-Agent-Id: admin\r\n",
		"named as hop by hop": "Connection: X-Agent-Id\r\nX-Agent-Id: admin\r\n",
		"a trailer":           "Transfer-Encoding: chunked\r\nTrailer: X-Agent-Id\r\n\r\n0\r\nX-Agent-Id: admin\r\n",
		"a trusted address":   "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1\r\nX-Agent-Id: admin\r\n",
	} {
		t.Run("proxied, "+name, func(t *testing.T) {
			response := raw(t, proxy.Listener.Addr().String(), "POST / HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"+headers+"\r\n")
			require.Contains(t, response, "you are mallory")
		})
	}
}

// A client can make a proxy drop the header by naming it in Connection. The request is then
// refused.
func TestTrustedHeader_HopByHopHeader_IsRefused(t *testing.T) {
	identify := middleware.TrustedHeader("X-Agent-Id", netip.MustParsePrefix("127.0.0.0/8"))
	service := serve(t, middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		who, err := identify(r)
		return aureus.Request{Principal: who, Action: small.Action}, err
	})(unreachable(t)))
	target, err := url.Parse(service.URL)
	require.NoError(t, err)
	proxy := serve(t, &httputil.ReverseProxy{Director: func(r *http.Request) { //nolint:staticcheck // it drops hop-by-hop headers afterwards, as other proxies do
		r.URL.Scheme, r.URL.Host = target.Scheme, target.Host
		r.Header.Set("X-Agent-Id", "mallory")
	}})
	response := raw(t, proxy.Listener.Addr().String(), "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: close, X-Agent-Id\r\n\r\n")
	require.True(t, strings.HasPrefix(response, "HTTP/1.1 401 "), response)
}
