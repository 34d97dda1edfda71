package aureus_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// raw is a server that reads a request and then passes the connection to the function.
func raw(t *testing.T, response func(net.Conn)) string {
	t.Helper()
	server := record(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer func() { _ = conn.Close() }()
		response(conn)
	})
	return server.URL
}

// calls has one call for each way in which the client reads a response.
var calls = map[string]func(context.Context, *aureus.Client) error{
	"a decision": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.Decide(ctx, aureus.Request{Principal: aureus.Principal{ID: "a"}, Action: aureus.Action{ID: "x", RiskTier: aureus.TierLow}})
		return err
	},
	"a report": func(ctx context.Context, c *aureus.Client) error {
		return c.ReportMetrics(ctx, make([]aureus.Metric, 2))
	},
	"a list": func(ctx context.Context, c *aureus.Client) error {
		_, err := aureus.Collect(c.Metrics(ctx, aureus.MetricQuery{}))
		return err
	},
	"a workflow": func(ctx context.Context, c *aureus.Client) error {
		_, err := c.ExecuteWorkflow(ctx, aureus.WorkflowSpec{})
		return err
	},
}

// Whatever the server sends, the call ends with an error and needs little memory.
func TestCall_HostileServer_Ends(t *testing.T) {
	t.Parallel()
	head := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	drip := func(conn net.Conn, piece string, times int) {
		for range times {
			if _, err := io.WriteString(conn, piece); err != nil {
				return
			}
			time.Sleep(2 * time.Millisecond) // the delay under test
		}
	}
	for name, response := range map[string]func(net.Conn){
		"an error sent byte by byte": func(c net.Conn) { drip(c, "HTTP/1.1 400 No\r\nContent-Length: 60000\r\n\r\n", 1); drip(c, "x", 60_000) },
		"a header sent byte by byte": func(c net.Conn) { drip(c, head, 1); drip(c, "X: y\r\n", 60_000) },
		"a header without an end":    func(c net.Conn) { drip(c, head+"X-Long: "+strings.Repeat("x", 1<<20), 1) },
		"a flood of early hints":     func(c net.Conn) { drip(c, strings.Repeat("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", 50_000), 1) },
		"100 Continue and no more":   func(c net.Conn) { drip(c, "HTTP/1.1 100 Continue\r\n\r\n", 60_000) },
		"a body cut short":           func(c net.Conn) { drip(c, head+"Content-Length: 100\r\n\r\n{", 1) },
		"a chunk cut short":          func(c net.Conn) { drip(c, head+"Transfer-Encoding: chunked\r\n\r\nff\r\n[", 1) },
		"two lengths":                func(c net.Conn) { drip(c, head+"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 1) },
		"another protocol":           func(c net.Conn) { drip(c, "SSH-2.0-OpenSSH_9.9\r\n", 1) },
		"switching protocols": func(c net.Conn) {
			drip(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", 1)
		},
		"a page": func(c net.Conn) {
			drip(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>", 1)
		},
		"an encoding that was not requested": func(c net.Conn) { drip(c, head+"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n\x8b\x00", 1) },
		"invalid gzip":                       func(c net.Conn) { drip(c, head+"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 1) },
		"a redirect to another host": func(c net.Conn) {
			drip(c, "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 1)
		},
		"nothing":    func(net.Conn) {},
		"no content": func(c net.Conn) { drip(c, "HTTP/1.1 204 No Content\r\n\r\n", 1) },
		"a partial response": func(c net.Conn) {
			drip(c, "HTTP/1.1 206 Partial\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n[]", 1)
		},
	} {
		for kind, call := range calls {
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				client := newClient(t, raw(t, response), aureus.WithTimeout(100*time.Millisecond), aureus.WithRetry(aureus.RetryPolicies{Decisions: aureus.NoRetry, Reads: aureus.NoRetry, Changes: aureus.NoRetry, Reports: aureus.NoRetry}))
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // much longer than the call may take
				defer cancel()
				err := call(ctx, client)
				require.Error(t, err)
				require.NoError(t, ctx.Err(), "the call ended before the deadline")
				require.Less(t, len(err.Error()), 3000)
			})
		}
	}
}

// The text of a server cannot add a line to a log or change the direction of its text.
func TestError_TextOfTheServer_HasNoFormatCharacters(t *testing.T) {
	server := record(t, jsonResponse(400, `{"error":"a\u202eb\u2066c\u200bd\u2028e\u0007f","code":"X\u202e"}`))
	err := newClient(t, server.URL).ReportMetric(t.Context(), aureus.Metric{})
	require.ErrorContains(t, err, "status 400 X : a b c d e f")
}

// An id that is too long for a header is ignored.
func TestStream_LongEventID_IsIgnored(t *testing.T) {
	first := true
	server := record(t, func(w http.ResponseWriter, q *http.Request) {
		if !first {
			jsonResponse(403, `{}`)(w, q)
			return
		}
		first = false
		event := func(id string) string {
			return fmt.Sprintf("id: %s\nevent: telemetry\ndata: {\"type\":\"custom\",\"timestamp\":\"t\",\"data\":{}}\n\n", id)
		}
		streamResponse(event("1-1"), event(strings.Repeat("9", 1025)))(w, q)
	})
	var ids []string
	for event, err := range newClient(t, server.URL).Stream(t.Context(), aureus.StreamQuery{}) {
		if err != nil {
			require.ErrorIs(t, err, aureus.ErrForbidden)
			break
		}
		ids = append(ids, event.ID)
	}
	require.Equal(t, []string{"1-1", "1-1"}, ids)
	require.Equal(t, "1-1", server.all()[1].header.Get("Last-Event-ID"))
}
