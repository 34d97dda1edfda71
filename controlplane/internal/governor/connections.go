package governor

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// Connections limits the connections of a server, in total and for each address
// (see [AddressGroup]). If a new connection exceeds a limit, the connection that has
// been idle for longest is closed. Idle means that no request is being processed:
// the header of the first request has not arrived, or the connection is kept open
// between requests. Create one with [NewConnections]; it is safe for concurrent
// use.
type Connections struct {
	maxTotal, maxPerAddress int

	mu      sync.Mutex
	total   int
	byGroup map[string]*group
}

// group holds the connections of one address.
type group struct {
	name string
	open int
	idle *list.List // of *countedConn without a running request, the longest idle first
}

// NewConnections limits the connections to total, and to maxPerAddress for one
// address or IPv6 network. A limit below 1 counts as 1.
func NewConnections(total, maxPerAddress int) *Connections {
	return &Connections{maxTotal: max(total, 1), maxPerAddress: min(max(maxPerAddress, 1), max(total, 1)), byGroup: map[string]*group{}}
}

// Open returns the number of open connections.
func (c *Connections) Open() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Bound returns a listener that counts and limits the server's connections. It
// also changes the server's ConnContext and Handler, which track running requests;
// call it before the server serves.
func (c *Connections) Bound(listener net.Listener, server *http.Server) net.Listener {
	handler, connContext := server.Handler, server.ConnContext
	server.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if connContext != nil {
			ctx = connContext(ctx, conn)
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

// Accept implements [net.Listener]. It closes a connection for which there is no
// room.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		counted, evicted := l.connections.add(conn)
		if evicted != nil {
			_ = evicted.Close() // its reader gets an error
		}
		if counted != nil {
			return counted, nil
		}
		_ = conn.Close() // no data was exchanged
	}
}

// add counts the connection. evicted is the idle connection that makes room for it,
// if one has to. counted is nil if there is no room.
func (c *Connections) add(conn net.Conn) (counted, evicted *countedConn) {
	name := AddressGroup(conn.RemoteAddr().String())
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.byGroup[name]
	if own == nil {
		own = &group{name: name, idle: list.New()}
	}
	from := own
	if own.open < c.maxPerAddress && c.total >= c.maxTotal {
		from = c.largest(own)
	}
	if own.open >= c.maxPerAddress || c.total >= c.maxTotal {
		if from.idle.Len() == 0 {
			return nil, nil
		}
		evicted, _ = from.idle.Front().Value.(*countedConn)
		c.remove(evicted)
	}
	counted = &countedConn{Conn: conn, connections: c, group: own}
	counted.idleElement = own.idle.PushBack(counted)
	c.byGroup[name] = own
	own.open++
	c.total++
	return counted, evicted
}

// largest returns the group with the most connections among those that have an idle
// one. The new connection counts for own. The caller holds mu.
func (c *Connections) largest(own *group) *group {
	found, count := own, own.open+1
	if own.idle.Len() == 0 {
		count = 0 // it has no idle connection
	}
	for _, g := range c.byGroup {
		if g.idle.Len() > 0 && g.open > count {
			found, count = g, g.open
		}
	}
	return found
}

// remove stops counting a connection; a second call does nothing. The caller holds
// mu.
func (c *Connections) remove(conn *countedConn) {
	if conn.removed {
		return
	}
	conn.removed = true
	g := conn.group
	if conn.idleElement != nil {
		g.idle.Remove(conn.idleElement)
		conn.idleElement = nil
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
	idleElement    *list.Element // the element in the group's list of idle connections, or nil
	activeRequests int           // over HTTP/2 there may be several
	removed        bool
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.connections.mu.Lock()
	c.connections.remove(c)
	c.connections.mu.Unlock()
	return c.Conn.Close()
}

// begin records that a request begins.
func (c *countedConn) begin() {
	c.connections.mu.Lock()
	defer c.connections.mu.Unlock()
	c.activeRequests++
	if c.idleElement != nil {
		c.group.idle.Remove(c.idleElement)
		c.idleElement = nil
	}
}

// end records that a request ended.
func (c *countedConn) end() {
	c.connections.mu.Lock()
	defer c.connections.mu.Unlock()
	c.activeRequests--
	if c.activeRequests == 0 && !c.removed {
		c.idleElement = c.group.idle.PushBack(c)
	}
}
