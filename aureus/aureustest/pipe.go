package aureustest

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
)

// memoryHost is the host name of the server in its own clients. Names below localhost are
// loopback, so that the client sends its key without encryption.
const memoryHost = "aureus.localhost"

// pipeListener is a listener for connections in memory.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipeListener() *pipeListener {
	return &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

// dial makes a connection to the listener; it ignores the address.
func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	client, server := &pipeConn{Conn: near}, &pipeConn{Conn: far}
	server.peer = client
	var err error
	select {
	case l.conns <- server:
		return client, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.closed:
		err = syscall.ECONNREFUSED
	}
	_ = near.Close()
	_ = far.Close()
	return nil, &net.OpError{Op: "dial", Net: "pipe", Addr: l.Addr(), Err: err}
}

// Accept implements [net.Listener].
func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr implements [net.Listener].
func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return memoryHost }

// pipeConn is one end of a connection in memory. Unlike a net.Pipe it can be reset, as a
// socket can.
type pipeConn struct {
	net.Conn
	peer    *pipeConn // set in the server's end only
	isReset atomic.Bool
}

// reset closes the connection; the other end gets ECONNRESET.
func (c *pipeConn) reset() {
	if c.peer != nil {
		c.peer.isReset.Store(true)
	}
	_ = c.Close()
}

// Read implements [net.Conn].
func (c *pipeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	return n, c.explain("read", err)
}

// Write implements [net.Conn].
func (c *pipeConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	return n, c.explain("write", err)
}

func (c *pipeConn) explain(op string, err error) error {
	if err != nil && c.isReset.Load() {
		return &net.OpError{Op: op, Net: "pipe", Addr: pipeAddr{}, Err: syscall.ECONNRESET}
	}
	return err
}

// resetConn resets a connection of a socket or in memory.
func resetConn(conn net.Conn) {
	switch conn := conn.(type) {
	case *pipeConn:
		conn.reset()
		return
	case *net.TCPConn:
		_ = conn.SetLinger(0) // Close resets the connection then
	}
	_ = conn.Close()
}
