package aureus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// The defaults of a [Client], and the variables that replace them where
// [NewClient] was told nothing.
const (
	DefaultBaseURL = "http://localhost:3000"
	DefaultTimeout = 30 * time.Second

	EnvBaseURL = "AUREUS_BASE_URL"
	EnvAPIKey  = "AUREUS_API_KEY"
	EnvTimeout = "AUREUS_TIMEOUT" // a Go duration (1m30s) or a number of seconds (90)
)

// Client talks to an Aureus control plane. It is safe for concurrent use. Make
// one with [NewClient] and share it; a nil or zero Client answers every call
// with an error.
//
// Every method's error is an [*Error], a [*PartialError], or the context's, and
// never holds the key. Redirects are never followed.
type Client struct {
	base    *url.URL // without a trailing slash
	http    *http.Client
	key     func() string // a function, so that no formatting of the Client shows the key
	timeout time.Duration
	retry   retryPolicy

	single [len(batchKinds)]atomic.Bool // the server has no batch path for this kind

	own    *http.Transport // ours to close; nil where the caller brought a client
	closed context.Context
	close  context.CancelFunc
}

// Option changes a [Client] under construction.
type Option interface{ apply(*clientConfig) }

type optionFunc func(*clientConfig)

func (f optionFunc) apply(c *clientConfig) { f(c) }

type clientConfig struct {
	key     *string
	timeout time.Duration
	http    *http.Client
	err     error
}

// WithAPIKey sends the key as a bearer token, and no token if it is empty.
// Without this option the key is that of AUREUS_API_KEY.
func WithAPIKey(key string) Option {
	return optionFunc(func(c *clientConfig) { c.key = &key })
}

// WithTimeout bounds each attempt of a call, and for ExecuteWorkflow the
// silence of the server. It must be positive; without this option it is that
// of AUREUS_TIMEOUT, else 30 s. What bounds a call as a whole, retries
// included, is its context.
func WithTimeout(timeout time.Duration) Option {
	return optionFunc(func(c *clientConfig) {
		if timeout <= 0 {
			c.err = fmt.Errorf("the timeout must be positive, not %v", timeout)
		}
		c.timeout = timeout
	})
}

// WithHTTPClient sends through the given client's transport, cookie jar and
// timeout: the way to bring proxies, TLS settings or tests. The client is
// copied, and its redirect policy replaced by one that follows none. Do not
// hand in a transport that OpenTelemetry instruments: exporting its spans would
// make more spans.
func WithHTTPClient(client *http.Client) Option {
	return optionFunc(func(c *clientConfig) {
		if client == nil {
			c.err = errors.New("the *http.Client is nil")
		}
		c.http = client
	})
}

// NewClient makes a client for the control plane at baseURL, which may carry a
// path prefix. An empty baseURL stands for AUREUS_BASE_URL, else for
// http://localhost:3000. It connects to nothing yet; errors are those of its
// arguments and of the environment.
func NewClient(baseURL string, options ...Option) (*Client, error) {
	var config clientConfig
	for _, option := range options {
		option.apply(&config)
	}
	if config.err != nil {
		return nil, fmt.Errorf("aureus: NewClient: %w", config.err)
	}
	base, err := parseBaseURL(firstOf(baseURL, os.Getenv(EnvBaseURL), DefaultBaseURL))
	if err != nil {
		return nil, fmt.Errorf("aureus: NewClient: %w", err)
	}
	if config.timeout == 0 {
		if config.timeout, err = timeoutFromEnv(); err != nil {
			return nil, fmt.Errorf("aureus: NewClient: %w", err)
		}
	}
	if config.key == nil {
		key := os.Getenv(EnvAPIKey)
		config.key = &key
	}
	if strings.ContainsFunc(*config.key, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return nil, errors.New("aureus: NewClient: the API key has a space, a line break or a character outside ASCII; was it copied whole and alone?")
	}

	key := *config.key
	c := &Client{base: base, key: func() string { return key }, timeout: config.timeout, retry: defaultRetry}
	if config.http == nil {
		c.own = newTransport()
		config.http = &http.Client{Transport: c.own}
	}
	httpClient := *config.http
	httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &httpClient
	c.closed, c.close = context.WithCancel(context.Background())
	return c, nil
}

// Close ends the calls under way, which then fail with [ErrClosed], refuses
// later ones, and closes the idle connections of the client's own transport. A
// client given with [WithHTTPClient] is left open. It may be called repeatedly
// and always returns nil.
func (c *Client) Close() error {
	if c == nil || c.close == nil {
		return nil
	}
	c.close()
	if c.own != nil {
		c.own.CloseIdleConnections()
	}
	return nil
}

func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, errors.New("the base URL cannot be read; it should look like https://aureus.example.com")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Errorf("the base URL must begin with http:// or https://, not %q", base.Scheme)
	case base.Host == "":
		return nil, errors.New("the base URL names no host")
	case base.User != nil:
		return nil, errors.New("the base URL holds a user name or password; pass the key with WithAPIKey instead")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the base URL has a query or a fragment; it may only have a path prefix")
	}
	return base, nil
}

func timeoutFromEnv() (time.Duration, error) {
	text := os.Getenv(EnvTimeout)
	if text == "" {
		return DefaultTimeout, nil
	}
	timeout, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		timeout, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || timeout <= 0 {
		return 0, fmt.Errorf("%s must be a positive duration such as 1m30s, or a number of seconds, not %q", EnvTimeout, text)
	}
	return timeout, nil
}

// newTransport is a transport of our own: one shared with the application may
// be instrumented by it. Its idle pool fits a service that decides concurrently.
func newTransport() *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          256,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}
