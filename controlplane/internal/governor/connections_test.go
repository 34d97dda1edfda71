package governor

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAddressGroup_IPv6AddressesOfOneNetwork_AreOne(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1:80": "10.0.0.1", "10.0.0.1": "10.0.0.1", "[::ffff:10.0.0.1]:80": "10.0.0.1",
		"[2001:db8:1:2:3::4]:80": "2001:db8:1:2::/64", "2001:db8:1:2:ffff::1": "2001:db8:1:2::/64", "[fe80::1%eth0]:80": "fe80::/64",
		"[2001:db8:1:3::4]:80": "2001:db8:1:3::/64", "pipe": "pipe", "": "",
	} {
		require.Equal(t, want, AddressGroup(address), address)
	}
}

// addressed is a connection from an address that notes its end.
type addressed struct {
	net.Conn
	from   string
	closed chan struct{}
}

func (a *addressed) RemoteAddr() net.Addr { return addressText(a.from) }

func (a *addressed) Close() error { close(a.closed); return nil }

type addressText string

func (addressText) Network() string  { return "tcp" }
func (a addressText) String() string { return string(a) }

// offered is a listener that gives out what it is handed.
type offered chan net.Conn

func (o offered) Accept() (net.Conn, error) {
	if conn, ok := <-o; ok {
		return conn, nil
	}
	return nil, net.ErrClosed
}
func (offered) Close() error   { return nil }
func (offered) Addr() net.Addr { return addressText("") }

type accepting struct {
	t        *testing.T
	bound    *Connections
	listener net.Listener
	offers   offered
}

func newAccepting(t *testing.T, most, maxOfGroup int) *accepting {
	t.Helper()
	a := &accepting{t: t, bound: NewConnections(most, maxOfGroup), offers: make(offered, 1)}
	a.listener = a.bound.Bound(a.offers, &http.Server{Handler: http.NotFoundHandler()}) //nolint:exhaustruct // it serves nothing here
	return a
}

// from offers a connection; taken is nil where it was closed.
func (a *accepting) from(address string) (taken *countedConn, closed chan struct{}) {
	a.t.Helper()
	conn := &addressed{nil, address, make(chan struct{})}
	counted, crowdedOut := a.bound.add(conn)
	if crowdedOut != nil {
		require.NoError(a.t, crowdedOut.Close())
	}
	return counted, conn.closed
}

func ended(closed chan struct{}) bool {
	select {
	case <-closed:
		return true
	default:
		return false
	}
}

// One address that opens connections and says nothing takes no more than its
// share, and loses its own oldest.
func TestConnections_OfOneAddress_HaveTheirShare(t *testing.T) {
	a := newAccepting(t, 5, 3)
	closed := make([]chan struct{}, 6)
	for i := range closed {
		var conn *countedConn
		conn, closed[i] = a.from("[2001:db8::" + string(rune('1'+i)) + "]:1000")
		require.NotNil(t, conn)
	}
	for i := range closed {
		require.Equal(t, i < 3, ended(closed[i]), i)
	}
	require.Equal(t, 3, a.bound.Open())
	_, other := a.from("10.0.0.1:1")
	require.False(t, ended(other))
}

// Where all are taken, the address that has most makes room for another one, so
// that a health check always gets through.
func TestConnections_AllTaken_TheAddressThatHasMostMakesRoom(t *testing.T) {
	a := newAccepting(t, 6, 4)
	var ofMany []chan struct{}
	for range 4 {
		_, closed := a.from("10.0.0.1:1")
		ofMany = append(ofMany, closed)
	}
	_, few1 := a.from("10.0.0.2:1")
	_, few2 := a.from("10.0.0.2:2")
	health, closed := a.from("10.0.0.3:1")
	require.NotNil(t, health)
	require.False(t, ended(closed) || ended(few1) || ended(few2))
	require.True(t, ended(ofMany[0]), "the one silent for longest")
	require.False(t, ended(ofMany[1]))
	require.Equal(t, 6, a.bound.Open())
	require.NoError(t, health.Close())
	require.Equal(t, 5, a.bound.Open())
}

// A connection whose request is answered is not closed for another one.
func TestConnections_WhatIsAnswered_IsLeftAlone(t *testing.T) {
	a := newAccepting(t, 2, 2)
	first, closedFirst := a.from("10.0.0.1:1")
	first.begin()
	first.begin()
	second, closedSecond := a.from("10.0.0.1:2")
	_, third := a.from("10.0.0.1:3")
	require.False(t, ended(closedFirst))
	require.True(t, ended(closedSecond))
	second.end() // its handler ends after the connection
	require.Equal(t, 2, a.bound.Open())

	first.end()
	_, fourth := a.from("10.0.0.2:1")
	require.False(t, ended(closedFirst), "another of its requests goes on")
	require.True(t, ended(third))
	fifth, _ := a.from("10.0.0.3:1")
	require.NotNil(t, fifth)
	require.True(t, ended(fourth))
	fifth.begin()
	none, _ := a.from("10.0.0.4:1")
	require.Nil(t, none, "all are answered")
	first.end()
	_, sixth := a.from("10.0.0.4:1")
	require.True(t, ended(closedFirst))
	require.False(t, ended(sixth))
}

// Over a real server: silent connections, and such as never end their header,
// leave room for a request, and its connection stays.
func TestConnections_OfAServer_SilentOnesLeaveRoom(t *testing.T) {
	listening, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	bound := NewConnections(3, 3)
	entered, finish := make(chan struct{}), make(chan struct{})
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { //nolint:exhaustruct // the rest is as it is
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
	silent := make([]net.Conn, 10)
	for i := range silent {
		silent[i] = dial()
		if i%2 == 1 {
			_, _ = silent[i].Write([]byte("GET / HT")) // it may have been closed already
		}
	}
	for i := range 8 {
		_, err := silent[i].Read(make([]byte, 1))
		require.Error(t, err, "the older ones are closed")
	}
	require.LessOrEqual(t, bound.Open(), 3)
	close(finish)
	require.NoError(t, <-answered)
	for _, conn := range silent {
		_ = conn.Close()
	}
	require.NoError(t, server.Close())
	require.ErrorIs(t, <-served, http.ErrServerClosed)
	http.DefaultClient.CloseIdleConnections()
}
