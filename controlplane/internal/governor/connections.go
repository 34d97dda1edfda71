package governor

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Connections bounds the connections of a server, all together and of one address
// (see [AddressGroup]). Where there is no room for a new one, the connection that
// has been silent for longest makes room: one whose request's header has not come
// yet, or which is kept open between requests. One whose request is being answered
// is never closed. Make one with [NewConnections]; it is safe for concurrent use.
type Connections struct {
	totalMax, maxOfGroup int

	mu      sync.Mutex
	total   int
	byGroup map[string]*group
}

// group are the connections of one address.
type group struct {
	name   string
	open   int
	silent *list.List // of *countedConn: those that no request is answered on, the one silent for longest first
}

// NewConnections bounds the connections to total, and to maxOfGroup for one address
// or IPv6 network. Less than 1 is 1.
func NewConnections(total, maxOfGroup int) *Connections {
	return &Connections{totalMax: max(total, 1), maxOfGroup: min(max(maxOfGroup, 1), max(total, 1)), byGroup: map[string]*group{}}
}

// Open is how many connections are open.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Bound has the server's connections counted: the listener and the server's
// handler belong together.
func (c *Connections) Bound(listener net.Listener, server *http.Server) net.Listener {
	handler, before := server.Handler, server.ConnContext
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if before != nil {
			ctx = before(ctx, conn)
		}
		if over, ok := conn.(*tls.Conn); ok {
			conn = over.NetConn()
		}
		return context.WithValue(ctx, connKey{}, conn)
	}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, ok := r.Context().Value(connKey{}).(*countedConn); ok {
			conn.begin()
			defer conn.end()
		}
		handler.ServeHTTP(w, r)
	})
	return &boundedListener{listener, c}
}

type connKey struct{}

type boundedListener struct {
	net.Listener
	connections *Connections
}

// Accept implements [net.Listener]. What there is no room for is closed.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		counted, crowdedOut := l.connections.add(conn)
		if crowdedOut != nil {
			_ = crowdedOut.Close() // whoever reads from it finds out
		}
		if counted != nil {
			return counted, nil
		}
		_ = conn.Close() // it has said nothing yet
	}
}

// add counts the connection in, and gives the one that makes room for it. Where
// there is no room, it gives nothing.
func (c *Connections) add(conn net.Conn) (counted, crowdedOut *countedConn) {
	name := AddressGroup(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.byGroup[name]
	if own == nil {
		own = &group{name: name, silent: list.New()}
	}
	from := own
	if own.open < c.maxOfGroup && c.total >= c.totalMax {
		from = c.largest(own)
	}
	if own.open >= c.maxOfGroup || c.total >= c.totalMax {
		if from.silent.Len() == 0 {
			return nil, nil
		}
		crowdedOut, _ = from.silent.Front().Value.(*countedConn)
		c.remove(crowdedOut)
	}
	counted = &countedConn{Conn: conn, connections: c, group: own}
	counted.place = own.silent.PushBack(counted)
	c.byGroup[name] = own
	own.open++
	c.total++
	return counted, crowdedOut
}

// largest is the group that has most connections among those that have a silent
// one; own counts with the new one. The caller holds mu.
func (c *Connections) largest(own *group) *group {
	found, most := own, own.open+1
	if own.silent.Len() == 0 {
		most = 0 // it has none to give
	}
	for _, g := range c.byGroup {
		if g.silent.Len() > 0 && g.open > most {
			found, most = g, g.open
		}
	}
	return found
}

// remove counts a connection out, once. The caller holds mu.
func (c *Connections) remove(conn *countedConn) {
	if conn.removed {
		return
	}
	conn.removed = true
	g := conn.group
	if conn.place != nil {
		g.silent.Remove(conn.place)
		conn.place = nil
	}
	g.open--
	c.total--
	if g.open == 0 && c.byGroup[g.name] == g {
		delete(c.byGroup, g.name)
	}
}

// countedConn is a connection that is counted until it is closed.
type countedConn struct {
	net.Conn
	connections *Connections
	group       *group

	// Guarded by the mu of connections.
	place     *list.Element // in the group's list of silent ones, or nil
	answering int           // requests; several over HTTP/2
	removed   bool
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.connections.mu.Lock()
	c.connections.remove(c)
	c.connections.mu.Unlock()
	return c.Conn.Close()
}

// begin says that a request is being answered.
func (c *countedConn) begin() {
	c.connections.mu.Lock()
	defer c.connections.mu.Unlock()
	c.answering++
	if c.place != nil {
		c.group.silent.Remove(c.place)
		c.place = nil
	}
}

// end says that one has been answered.
func (c *countedConn) end() {
	c.connections.mu.Lock()
	defer c.connections.mu.Unlock()
	c.answering--
	if c.answering == 0 && !c.removed {
		c.place = c.group.silent.PushBack(c)
	}
}
