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
// one with [NewClient] and share it; every call of a nil or zero Client returns
// an error that matches [ErrClosed].
//
// Every method's error is an [*Error] or a [*PartialError] and never holds the
// key. Redirects are never followed.
type Client struct {
	*connection
	settings
}

// connection has the fields that a client and its copies share.
type connection struct {
	base      *url.URL // without a trailing slash
	roundTrip func(*http.Request) (*http.Response, error)
	own       *http.Transport // closed by Close; nil with WithHTTPClient
	breaker   *breaker
	plain     bool // unencrypted HTTP to another machine: keys must not be sent

	single [len(batchKinds)]atomic.Bool // the server has no batch endpoint for this kind

	closed context.Context
	close  context.CancelFunc
}

// settings has the fields that With can change in a copy.
type settings struct {
	credentials func(context.Context) (string, error) // nil: none
	timeout     time.Duration
	header      func(http.Header) // sets the extra headers, nil: none; a function, so that printing a client does not show their values
	userAgent   string
	retry       [numClasses]RetryPolicy
	breakAll    bool // BreakerPolicy.Decisions
	batchSize   batchSize
	gzipAbove   int // request bodies from this size on are compressed; 0: none
	observe     func(context.Context, Attempt)
	err         error // the error of an invalid option given to With: every call returns it
}

// With returns a copy of the client with the given options changed, for calls that
// need another timeout, a header, or other credentials. The copy shares connections
// and circuit breaker with the original; closing either closes both. If an option is
// wrong, every call of the copy returns an error that says so and matches
// [ErrInvalid].
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

// BaseURL returns the address of the control plane, without the version of the API; empty
// for a nil or zero Client. Every call goes there.
func (c *Client) BaseURL() string {
	if c == nil || c.connection == nil {
		return ""
	}
	return c.base.String()
}

// Close ends the calls under way, which return [ErrClosed] as later calls do, and
// closes the connections. It does not close a client given with [WithHTTPClient]. It
// may be called more than once, and always returns nil.
func (c *Client) Close() error {
	if c == nil || c.connection == nil {
		return nil
	}
	if c.own != nil {
		c.own.CloseIdleConnections() // connections in use end with the context, below
	}
	c.close()
	return nil
}

// ownedConn is a connection that closes when the client is closed. Without it, a
// connection that the transport makes for a call that has already ended would stay
// open until its idle timeout.
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

// ready is the error of a client that cannot make calls; nil if it can.
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
