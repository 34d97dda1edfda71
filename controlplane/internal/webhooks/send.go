package webhooks

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/webhooksig"
)

const (
	sendTimeout   = 15 * time.Second // for a whole request and its response
	dialTimeout   = 5 * time.Second
	maxHeader     = 16 << 10 // bytes of a response's header
	maxAnswer     = 64 << 10 // bytes of a response's body that are read; the rest is not
	maxRetryAfter = time.Hour
	idleTime      = time.Minute
)

// Sender sends messages to one webhook. It follows no redirect, uses no proxy, and
// connects only to addresses that checkAddress allows: each address is checked when the
// connection to it is made, so that a name that resolves to another address by then does
// not help. It is safe for concurrent use. Close it after use.
type Sender struct {
	hook   Hook
	key    []byte
	client http.Client
	dialer net.Dialer
}

// NewSender returns a sender for a webhook of a configuration that has been checked.
func NewSender(c Config, h Hook) (*Sender, error) {
	key, err := webhooksig.Key(h.Secret)
	if err != nil {
		return nil, err
	}
	allowed := c.allowed(h)
	s := &Sender{hook: h, key: key}
	s.dialer = net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return errors.New("webhooks are only sent by TCP")
		}
		return checkAddress(to.Addr(), allowed)
	}}
	s.client = http.Client{
		Timeout: sendTimeout,
		Transport: &http.Transport{
			DialContext: s.dialer.DialContext, TLSHandshakeTimeout: dialTimeout, MaxResponseHeaderBytes: maxHeader,
			MaxIdleConnsPerHost: concurrency, MaxConnsPerHost: concurrency, IdleConnTimeout: idleTime, DisableCompression: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return s, nil
}

// Close closes the connections that are not in use.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Failure is why a message was not delivered. Its text has neither the path of the URL nor
// anything that the receiver sent but the status.
type Failure struct {
	Message    string
	Gone       bool          // the receiver wants no more of them
	RetryAfter time.Duration // what the receiver asked for, at most an hour
}

// Error implements error.
func (f *Failure) Error() string { return f.Message }

// Send makes one request with the message. It returns nil if the status is 2xx, and a
// *Failure otherwise.
func (s *Sender) Send(ctx context.Context, m storage.Message, now time.Time) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.hook.URL, bytes.NewReader([]byte(m.Body)))
	if err != nil {
		return &Failure{Message: "the URL cannot be used"}
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "aureus/"+aureus.Version)
	webhooksig.Sign(request.Header, s.key, m.ID, now, []byte(m.Body))
	response, err := s.client.Do(request)
	if err != nil {
		// Package http quotes what it cannot read of an answer: the quote is left out.
		cause, _, _ := strings.Cut(withoutURL(err).Error(), `"`)
		return &Failure{Message: s.hook.host() + ": " + strings.TrimRight(cause, ": ")}
	}
	defer func() { _ = response.Body.Close() }()          // nothing of it is needed
	_, _ = io.CopyN(io.Discard, response.Body, maxAnswer) // so that the connection can be used again
	switch code := response.StatusCode; {
	case code >= 200 && code <= 299:
		return nil
	case code >= 300 && code <= 399:
		return &Failure{Message: fmt.Sprintf("%s answered with a redirect (%d), which is not followed: put its target in the configuration", s.hook.host(), code)}
	default:
		return &Failure{Message: fmt.Sprintf("%s answered with the status %d", s.hook.host(), code), Gone: code == http.StatusGone, RetryAfter: retryAfter(response.Header)}
	}
}

// withoutURL returns the cause of an error of package http, whose text has the URL.
func withoutURL(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		if wrapped.Timeout() {
			return fmt.Errorf("no answer within %s", sendTimeout)
		}
		return wrapped.Err
	}
	return err
}

func retryAfter(header http.Header) time.Duration {
	seconds, err := strconv.ParseInt(header.Get("Retry-After"), 10, 32)
	if err != nil || seconds < 0 {
		return 0
	}
	return min(time.Duration(seconds)*time.Second, maxRetryAfter)
}

// SendTest sends a message of the kind test, which is not stored, and returns its id.
func (s *Sender) SendTest(ctx context.Context, now time.Time) (id string, err error) {
	body, err := strictjson.MarshalText(aureus.WebhookEvent{Type: test, Timestamp: aureus.TimestampOf(now), Tenant: s.hook.Tenant})
	if err != nil {
		return "", err
	}
	id = messageID("test "+rand.Text(), s.hook.Name)
	return id, s.Send(ctx, storage.Message{ID: id, Body: string(body)}, now)
}
