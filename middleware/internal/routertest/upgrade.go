package routertest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware"
)

const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

// upgrades are the ways in which libraries for WebSockets take a connection over, each with
// the status of the outcome. The guard does not see a response that is written to the
// connection.
var upgrades = map[string]struct {
	outcome string
	hijack  func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error)
}{
	"the response, then http.ResponseController": {"success", func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.WriteHeader(http.StatusSwitchingProtocols)
		if gin, ok := w.(interface{ WriteHeaderNow() }); ok {
			gin.WriteHeaderNow()
		}
		return http.NewResponseController(w).Hijack()
	}},
	"http.Hijacker, then the response": {"unknown", func(w http.ResponseWriter) (net.Conn, *bufio.ReadWriter, error) {
		hijacker, ok := w.(http.Hijacker)
		if !ok {
			return nil, nil, http.ErrNotSupported
		}
		conn, buffered, err := hijacker.Hijack()
		if err == nil {
			_, err = conn.Write([]byte(switching))
		}
		return conn, buffered, err
	}},
}

// A handler takes the connection over and talks on it, as a WebSocket does.
func testUpgrade(t *testing.T, router Router, place Place) {
	t.Helper()
	for name, way := range upgrades {
		s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, r *http.Request) {
			conn, buffered, err := way.hijack(w)
			if err != nil {
				middleware.WriteError(w, r, err)
				return
			}
			defer func() { _ = conn.Close() }()
			line, err := buffered.ReadString('\n')
			if err == nil {
				_, _ = io.WriteString(conn, line)
			}
		}}
		url, stop := s.start(t, router, place)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/upgrade", nil)
		require.NoError(t, err)
		request.Header.Set("Connection", "Upgrade")
		request.Header.Set("Upgrade", "echo")
		response, err := client(t, false).Do(request)
		require.NoError(t, err)
		require.Equal(t, http.StatusSwitchingProtocols, response.StatusCode, name)
		conn, ok := response.Body.(io.ReadWriteCloser)
		require.True(t, ok)
		_, err = io.WriteString(conn, "hello\n")
		require.NoError(t, err)
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.NoError(t, conn.Close())
		stop()
		require.Equal(t, "hello\n", string(text), name)
		require.Len(t, s.outcomes, 1)
		require.Equal(t, way.outcome, s.outcomes[0].Status, name)
	}
}
