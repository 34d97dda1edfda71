package aureus

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Client talks to an Aureus control plane. It is safe for concurrent use. Make
// one with [NewClient] and share it; a nil or zero Client answers every call
// with an error that matches [ErrClosed].
//
// Every method's error is an [*Error] or a [*PartialError] and never holds the
// key. Redirects are never followed.
type Client struct {
	*connection
	settings
}

// connection is what a client and its copies share.
type connection struct {
	base      *url.URL // without a trailing slash
	roundTrip func(*http.Request) (*http.Response, error)
	own       *http.Transport // ours to close; nil where the caller brought a client
	breaker   *breaker
	plain     bool // http to another machine: no key may go there

	single [len(batchKinds)]atomic.Bool // the server has no batch path for this kind

	closed context.Context
	close  context.CancelFunc
}

// settings is what differs between a client and its copies.
type settings struct {
	credentials func(context.Context) (string, error) // nil: none
	timeout     time.Duration
	header      func(http.Header) // sets the extra ones, nil: none; a function, so that no format verb shows their values
	userAgent   string
	retry       [numClasses]RetryPolicy
	breakAll    bool // the breaker counts for decisions too
	batchSize   batchSize
	gzipAbove   int // request bodies from this size on are compressed; 0: none
	observe     func(context.Context, Attempt)
	err         error // a copy made with a wrong option refuses every call
}

// With returns a copy of the client with the given options changed: for a call
// that needs another timeout, a header, or other credentials. The copy shares
// connections and breaker with the original, and ends with it. A copy made with
// a wrong option refuses every call and says which option.
func (c *Client) With(options ...CallOption) *Client {
	if c == nil || c.connection == nil {
		return c
	}
	changed := *c
	for _, option := range options {
		option.applyCall(&changed.settings)
	}
	return &changed
}

// Close ends the calls under way, which then fail with [ErrClosed], refuses
// later ones, and closes the connections of the client's own transport. A
// client given with [WithHTTPClient] is left open. It may be called repeatedly
// and always returns nil.
func (c *Client) Close() error {
	if c == nil || c.connection == nil {
		return nil
	}
	if c.own != nil {
		c.own.CloseIdleConnections() // in good order; the others end with the context
	}
	c.close()
	return nil
}

// ownedConn is a connection that ends with the client at the latest. The
// transport alone would keep one until it has been idle for long, where it was
// made just then for a call that had given up.
type ownedConn struct {
	net.Conn

	release func() bool
}

func own(closed context.Context, conn net.Conn) net.Conn {
	return &ownedConn{Conn: conn, release: context.AfterFunc(closed, func() { _ = conn.Close() })}
}

// Close implements net.Conn.
func (c *ownedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// ready refuses the calls of a client that cannot make any.
func (c *Client) ready(op string) error {
	switch {
	case c == nil || c.connection == nil:
		return &Error{Op: op, Message: "the client was not made with NewClient", Err: ErrClosed}
	case c.closed.Err() != nil:
		return &Error{Op: op, Message: "the client was closed", Err: ErrClosed}
	case c.err != nil:
		return &Error{Op: op, Message: c.err.Error(), Err: errors.Join(ErrInvalid, c.err)}
	case c.plain && c.credentials != nil:
		return &Error{Op: op, Message: plainRefusal(c.base.Hostname()), Err: ErrInvalid}
	}
	return nil
}
