package governor

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAddressGroup_OneIPv6Network_IsOneGroup(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"10.0.0.1:80": "10.0.0.1", "10.0.0.1": "10.0.0.1", "[::ffff:10.0.0.1]:80": "10.0.0.1",
		"[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::1": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64",
		"[2001:db8:1:3::4]:80": "2001:db8:1:3::/64", "pipe": "pipe", "": "",
	} {
		require.Equal(t, want, AddressGroup(address), address)
	}
}

// fakeConn is a connection from a given address; closed is closed with it.
type fakeConn struct {
	net.Conn
	from   string
	closed chan struct{}
}

func (a *fakeConn) RemoteAddr() net.Addr { return addressText(a.from) }

func (a *fakeConn) Close() error { close(a.closed); return nil }

type addressText string

func (addressText) Network() string  { return "tcp" }
func (a addressText) String() string { return string(a) }

// fakeListener accepts the connections that are sent to it.
type fakeListener chan net.Conn

func (o fakeListener) Accept() (net.Conn, error) {
	if conn, ok := <-o; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (fakeListener) Close() error   { return nil }
func (fakeListener) Addr() net.Addr { return addressText("") }

type connectionsTest struct {
	t        *testing.T
	bound    *Connections
	listener net.Listener
	offers   fakeListener
}

func newConnectionsTest(t *testing.T, total, maxPerAddress int) *connectionsTest {
	t.Helper()
	a := &connectionsTest{t: t, bound: NewConnections(total, maxPerAddress), offers: make(fakeListener, 1)}
	a.listener = a.bound.Bound(a.offers, &http.Server{Handler: http.NotFoundHandler()}) //nolint:exhaustruct // the server is not started
	return a
}

// from adds a connection from the address; taken is nil if there was no room.
func (a *connectionsTest) from(address string) (taken *countedConn, closed chan struct{}) {
	a.t.Helper()
	conn := &fakeConn{nil, address, make(chan struct{})}
	counted, evicted := a.bound.add(conn)
	if evicted != nil {
		require.NoError(a.t, evicted.Close())
	}
	return counted, conn.closed
}

func isClosed(closed chan struct{}) bool {
	select {
	case <-closed:
		return true
	default:
		return false
	}
}

// If one address opens more connections than its limit, its longest idle ones are
// closed.
func TestConnections_OneAddress_IsLimited(t *testing.T) {
	t.Parallel()
	a := newConnectionsTest(t, 5, 3)
	closed := make([]chan struct{}, 6)
	for i := range closed {
		var conn *countedConn
		conn, closed[i] = a.from("[2001:db8::" + string(rune('1'+i)) + "]:1000")
		require.NotNil(t, conn)
	}
	for i := range closed {
		require.Equal(t, i < 3, isClosed(closed[i]), i)
	}
	require.Equal(t, 3, a.bound.Open())
	_, other := a.from("10.0.0.1:1")
	require.False(t, isClosed(other))
}

// If the total is reached, the address with the most connections loses one, so that
// for example a health check from another address can connect.
func TestConnections_Full_LargestAddressGivesWay(t *testing.T) {
	t.Parallel()
	a := newConnectionsTest(t, 6, 4)
	var ofMany []chan struct{}
	for range 4 {
		_, closed := a.from("10.0.0.1:1")
		ofMany = append(ofMany, closed)
	}
	_, few1 := a.from("10.0.0.2:1")
	_, few2 := a.from("10.0.0.2:2")
	health, closed := a.from("10.0.0.3:1")
	require.NotNil(t, health)
	require.False(t, isClosed(closed) || isClosed(few1) || isClosed(few2))
	require.True(t, isClosed(ofMany[0]), "the one idle for longest")
	require.False(t, isClosed(ofMany[1]))
	require.Equal(t, 6, a.bound.Open())
	require.NoError(t, health.Close())
	require.Equal(t, 5, a.bound.Open())
}

// A connection with a running request is not closed to make room.
func TestConnections_RequestUnderWay_IsNotClosed(t *testing.T) {
	t.Parallel()
	a := newConnectionsTest(t, 2, 2)
	first, closedFirst := a.from("10.0.0.1:1")
	first.begin()
	first.begin()
	second, closedSecond := a.from("10.0.0.1:2")
	_, third := a.from("10.0.0.1:3")
	require.False(t, isClosed(closedFirst))
	require.True(t, isClosed(closedSecond))
	second.end() // the handler ends after the connection was closed
	require.Equal(t, 2, a.bound.Open())

	first.end()
	_, fourth := a.from("10.0.0.2:1")
	require.False(t, isClosed(closedFirst), "another of its requests is still running")
	require.True(t, isClosed(third))
	fifth, _ := a.from("10.0.0.3:1")
	require.NotNil(t, fifth)
	require.True(t, isClosed(fourth))
	fifth.begin()
	none, _ := a.from("10.0.0.4:1")
	require.Nil(t, none, "all have running requests")
	first.end()
	_, sixth := a.from("10.0.0.4:1")
	require.True(t, isClosed(closedFirst))
	require.False(t, isClosed(sixth))
}

// With a real server: idle connections, and those that never complete a header, do
// not keep a request from being served.
func TestConnections_RealServer_SilentOnesGiveWay(t *testing.T) {
	t.Parallel()
	listening, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	bound := NewConnections(3, 3)
	entered, finish := make(chan struct{}), make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { //nolint:exhaustruct // the zero values are fine
		entered <- struct{}{}
		<-finish
	})}
	listener := bound.Bound(listening, server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	dial := func() net.Conn {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", listening.Addr().String())
		require.NoError(t, err)
		return conn
	}
	answered := make(chan error, 1)
	go func() {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listening.Addr().String(), http.NoBody)
		if err == nil {
			var response *http.Response
			if response, err = http.DefaultClient.Do(r); err == nil {
				err = response.Body.Close()
			}
		}
		answered <- err
	}()
	<-entered
	idle := make([]net.Conn, 10)
	for i := range idle {
		idle[i] = dial()
		if i%2 == 1 {
			_, _ = idle[i].Write([]byte("GET / HT")) // it may have been closed already
		}
	}
	for i := range 8 {
		_, err := idle[i].Read(make([]byte, 1))
		require.Error(t, err, "the older ones are closed")
	}
	require.LessOrEqual(t, bound.Open(), 3)
	close(finish)
	require.NoError(t, <-answered)
	for _, conn := range idle {
		_ = conn.Close()
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	http.DefaultClient.CloseIdleConnections()
}
