package aureus_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.Bytes()
}

// A copy with an option that NewClient would refuse cannot make calls.
func TestWith_KeyWithoutEncryption_IsRefused(t *testing.T) {
	proxy := record(t, jsonResponse(200, `{}`)) // requests to other machines go through this proxy
	address, err := url.Parse(proxy.URL)
	require.NoError(t, err)
	client := newClient(t, "http://aureus.example.com", aureus.WithAPIKey(""), aureus.WithProxy(http.ProxyURL(address)))
	require.NoError(t, client.Call(t.Context(), "GET", "/x", nil, nil), "without a key the call is made")
	for name, option := range map[string]aureus.CallOption{
		"a key":      aureus.WithAPIKey("sekret"),
		"a function": aureus.WithCredentials(func(context.Context) (string, error) { return "sekret", nil }),
	} {
		err := client.With(option).Call(t.Context(), "GET", "/x", nil, nil)
		require.ErrorIs(t, err, aureus.ErrInvalid, name)
		require.ErrorContains(t, err, "without encryption", name)
	}
	require.Len(t, proxy.all(), 1)

	named := newClient(t, "http://aureus.example.com", aureus.WithAPIKey(""), aureus.WithProxy(http.ProxyURL(address)), aureus.WithInsecureHTTP("aureus.example.com"))
	require.NoError(t, named.With(aureus.WithAPIKey("k")).Call(t.Context(), "GET", "/x", nil, nil))
}

func TestClient_FormatVerbs_ShowNoSecret(t *testing.T) {
	server := record(t, jsonResponse(401, `{"error":"no"}`))
	unreadable := "http://user:sekret-of-the-proxy@[nowhere"
	proxied := newClient(t, "https://aureus.example.com", aureus.WithProxy(func(*http.Request) (*url.URL, error) {
		return url.Parse(unreadable)
	}))
	client := newClient(t, server.URL, aureus.WithAPIKey("sekret-key"), aureus.WithHeader("X-Api-Key", "sekret-header"))
	vault := client.With(aureus.WithCredentials(func(context.Context) (string, error) { return "", errors.New("sekret-of-the-vault") }))
	rotten := client.With(aureus.WithCredentials(func(context.Context) (string, error) { return "sekret\nkey", nil }))
	values := map[string]any{"client": client, "copy": client.With(aureus.WithHeader("X-B", "sekret-too"))}
	for name, c := range map[string]*aureus.Client{
		"refused": client, "proxy": proxied, "vault": vault, "rotten key": rotten,
		"header": client.With(aureus.WithHeader("X-C", "sekret\nheader")), "key": client.With(aureus.WithAPIKey("sekret\nkey")),
	} {
		_, err := c.Decide(t.Context(), plainRequest())
		require.Error(t, err, name)
		values[name] = err
		values[name+", wrapped"] = fmt.Errorf("outside: %w", err)
	}
	for name, value := range values {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Error("x", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Error("x", "value", value, slog.Group("g", "value", value))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			_, _ = fmt.Fprintf(&log, verb, value)
		}
		require.NotContains(t, log.String(), "sekret", name)
		require.NotContains(t, log.String(), fmt.Sprintf("%x", "sekret"), name)
	}
	require.Len(t, server.all(), 1, "requests that cannot be sent are not sent")
}

// NewClient refuses an invalid header. A call with an invalid key fails with
// ErrUnauthenticated, not with ErrUnavailable.
func TestWithHeader_InvalidHeader_IsRefused(t *testing.T) {
	for name, option := range map[string]aureus.Option{
		"no name":                       aureus.WithHeader("", "v"),
		"a name with a space":           aureus.WithHeader("a b", "v"),
		"a name with a colon":           aureus.WithHeader("a:", "v"),
		"a line break":                  aureus.WithHeader("X-A", "v\r\nX-B: w"),
		"a null":                        aureus.WithHeader("X-A", "\x00"),
		"an invalid User-Agent":         aureus.WithHeader("user-agent", "a\r\nX-B: w"),
		"a header that the client sets": aureus.WithHeader("content-type", "v"),
		"the encoding of responses":     aureus.WithHeader("accept-encoding", "gzip"),
	} {
		_, err := aureus.NewClient("", option)
		require.Error(t, err, name)
	}
	server := record(t, jsonResponse(200, `{}`))
	client := newClient(t, server.URL, aureus.WithCredentials(func(context.Context) (string, error) { return "a\nb", nil }))
	err := client.Call(t.Context(), "GET", "/x", nil, nil)
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	require.NotErrorIs(t, err, aureus.ErrUnavailable)
	require.Empty(t, server.all())
}

// The text of an error is short and has one line, whatever the server sends.
func TestError_TextOfTheServer_IsOneShortLine(t *testing.T) {
	long := strings.Repeat("x", 10_000)
	for name, response := range map[string]http.HandlerFunc{
		"a duplicate name":      jsonResponse(200, `{"a\nlevel=INFO b":1,"a\nlevel=INFO b":1}`),
		"a long duplicate name": jsonResponse(200, `{"`+long+`":1,"`+long+`":1}`),
		"a malformed header":    hijacked("HTTP/1.1 200 OK\r\n\x1b[31mlevel=INFO " + long + "\r\n\r\n"),
		"a malformed status":    hijacked("HTTP/1.1 \x1b[31m" + long + "\r\n\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			server := record(t, response)
			_, err := newClient(t, server.URL, aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry})).Decide(t.Context(), plainRequest())
			require.Error(t, err)
			require.Less(t, len(err.Error()), 700)
			require.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl), "%q", err.Error())
		})
	}
}

func hijacked(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}
