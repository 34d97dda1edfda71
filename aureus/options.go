package aureus

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

// The defaults of a [Client], and the environment variables that replace them if
// NewClient gets no address, key or timeout.
const (
	defaultBaseURL = "http://localhost:3000"
	defaultTimeout = 30 * time.Second

	envBaseURL = "AUREUS_BASE_URL"
	envAPIKey  = "AUREUS_API_KEY"
	envTimeout = "AUREUS_TIMEOUT" // a Go duration (1m30s) or a number of seconds (90)
)

// Option is an option of [NewClient].
type Option interface{ apply(*clientConfig) }

// CallOption is an option of [NewClient] and of [Client.With].
type CallOption interface {
	Option
	applyCall(*settings)
}

type clientConfig struct {
	settings
	keyGiven    bool
	http        *http.Client
	tls         *tls.Config
	proxy       func(*http.Request) (*url.URL, error)
	concurrency int
	breaker     BreakerPolicy
	insecure    []string
}

type option func(*clientConfig)

func (f option) apply(c *clientConfig) { f(c) }

type callOption func(*settings)

func (f callOption) apply(c *clientConfig) { f(&c.settings) }
func (f callOption) applyCall(s *settings) { f(s) }
func (s *settings) fail(err error)         { s.err = errors.Join(s.err, err) }
func refuse(format string, a ...any) callOption {
	return func(s *settings) { s.fail(fmt.Errorf(format, a...)) }
}

// WithAPIKey sends the key as a bearer token; an empty key sends no token. Without
// this option the client takes the key from AUREUS_API_KEY.
func WithAPIKey(key string) CallOption {
	if badKey(key) {
		return keyOption{refuse("the API key has a space, a line break or a character outside ASCII; check that exactly the key was copied")}
	}
	if key == "" {
		return keyOption{func(s *settings) { s.credentials = nil }}
	}
	return WithCredentials(func(context.Context) (string, error) { return key, nil })
}

func badKey(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// WithCredentials calls the function for the API key before each attempt, so that
// keys can rotate. The function is called concurrently, with the context of the call,
// and should cache. If it returns an error, nothing is sent; the call's error matches
// that error and [ErrUnauthenticated], but its text does not repeat it.
func WithCredentials(key func(ctx context.Context) (string, error)) CallOption {
	if key == nil {
		return keyOption{refuse("the function for credentials is nil")}
	}
	return keyOption{func(s *settings) { s.credentials = key }}
}

// keyOption records that a key was given, so that AUREUS_API_KEY is not used.
type keyOption struct{ callOption }

func (o keyOption) apply(c *clientConfig) { c.keyGiven = true; o.callOption.apply(c) }

// WithTimeout limits each attempt of a call. For ExecuteWorkflow, streams and lists it
// limits the time without data from the server instead. It must be positive; without
// this option it is the value of AUREUS_TIMEOUT, or else 30 s. A whole call, with its
// retries, is limited by its context and its [RetryPolicy].
func WithTimeout(timeout time.Duration) CallOption {
	if timeout <= 0 {
		return refuse("the timeout must be positive, not %v", timeout)
	}
	return callOption(func(s *settings) { s.timeout = timeout })
}

// WithHeader adds a header to every request. User-Agent names the caller's product,
// such as ledger/2.1: it is sent before the name and version of this module. The
// other headers that the client sets itself cannot be replaced: Accept-Encoding,
// Authorization, Content-Type, Content-Encoding, Content-Length, Host,
// Idempotency-Key and Transfer-Encoding.
func WithHeader(name, value string) CallOption {
	switch http.CanonicalHeaderKey(name) {
	case "Accept-Encoding", "Authorization", "Content-Type", "Content-Encoding", "Content-Length", "Host", "Idempotency-Key", "Transfer-Encoding":
		return refuse("the header %q is set by the client and cannot be replaced", name)
	}
	if !validToken(name) {
		return refuse("the header name %q has characters that are not allowed there", name)
	}
	if !validHeaderValue(value) {
		return refuse("the value of the header %q has a line break or another control character", name)
	}
	if strings.EqualFold(name, "User-Agent") {
		return callOption(func(s *settings) { s.userAgent = strings.TrimSpace(value + " " + defaultUserAgent) })
	}
	return callOption(func(s *settings) {
		others := s.header
		s.header = func(header http.Header) {
			if others != nil {
				others(header)
			}
			header.Set(name, value)
		}
	})
}

// WithRetry changes how calls are tried again; see [RetryPolicies] and
// [RetryPolicy].
func WithRetry(policies RetryPolicies) CallOption {
	changed := [numClasses]RetryPolicy{classDecisions: policies.Decisions, classReads: policies.Reads, classChanges: policies.Changes, classReports: policies.Reports}
	for class, policy := range changed {
		if err := policy.valid(); err != nil {
			return refuse("the retry policy for %s is not usable: %w", [numClasses]string{"decisions", "reads", "changes", "reports"}[class], err)
		}
	}
	return callOption(func(s *settings) {
		for class, policy := range changed {
			if policy != (RetryPolicy{}) {
				s.retry[class] = policy
			}
		}
	})
}

// WithAttemptObserver calls the function after each attempt of each call, on the
// goroutine of the call, which waits for it. The function must be safe for concurrent
// use.
func WithAttemptObserver(observe func(context.Context, Attempt)) CallOption {
	return callOption(func(s *settings) { s.observe = observe })
}

// WithGzip compresses request bodies of at least from bytes. Without this option no
// request body is compressed: between programs on one machine, compression costs more
// than it saves, and not every server accepts it. Responses may be compressed in any
// case.
func WithGzip(from int) CallOption {
	if from <= 0 {
		return refuse("the size from which to compress must be positive, not %d", from)
	}
	return callOption(func(s *settings) { s.gzipAbove = from })
}

// The limits of [WithBatchSize] are those of the control plane.
const (
	maxBatchItems = 10_000
	maxBatchBytes = 64 << 20
)

// WithBatchSize limits the size of each request of a batch, such as
// [Client.ReportSpans]: items is the number of items, from 1 to 10,000, and bytes the
// length of the JSON, from 1 to 64 MiB. Larger batches are sent as several requests, up
// to four at once; an item that alone exceeds the bytes is sent in a request of its own.
// Without this option the limits are 2,048 items and 8 MiB. A request for the audit log
// has at most 2,048 records. If the server answers a request with 413, the client sends
// its items again in two halves.
func WithBatchSize(items, bytes int) CallOption {
	if items < 1 || items > maxBatchItems {
		return refuse("the items of a batch must be 1 to %d, not %d", maxBatchItems, items)
	}
	if bytes < 1 || bytes > maxBatchBytes {
		return refuse("the bytes of a batch must be 1 to %d, not %d", maxBatchBytes, bytes)
	}
	return callOption(func(s *settings) { s.batchSize = batchSize{items: items, bytes: bytes} })
}

// WithBreaker replaces the policy of the circuit breaker, which by default opens for
// 5 s after 10 failures; see [BreakerPolicy].
func WithBreaker(policy BreakerPolicy) Option {
	return option(func(c *clientConfig) {
		if policy.Failures < 0 || policy.Cooldown < 0 {
			c.fail(errors.New("the numbers of the breaker policy must not be negative"))
		}
		c.breaker = policy
	})
}

// WithHTTPClient sends requests with a copy of the given client: with its transport,
// cookie jar and timeout. The copy follows no redirects. The transport's own TLS
// configuration, proxy and connection limits apply: WithTLS together with this option is
// an error, and WithProxy and WithConcurrency have no effect. Do not use a transport that
// OpenTelemetry instruments: exporting a span would make another span.
func WithHTTPClient(client *http.Client) Option {
	return option(func(c *clientConfig) {
		if client == nil {
			c.fail(errors.New("the *http.Client is nil"))
		}
		c.http = client
	})
}

// WithTLS uses a copy of the configuration for https, for example with your
// certificate authorities in RootCAs or client certificates in Certificates.
func WithTLS(config *tls.Config) Option {
	return option(func(c *clientConfig) {
		if config == nil {
			c.fail(errors.New("the TLS configuration is nil"))
		}
		c.tls = config.Clone()
	})
}

// WithProxy calls the function for the proxy of a request; a nil URL means no proxy.
// Without this option the proxy is that of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return option(func(c *clientConfig) { c.proxy = proxy })
}

// WithConcurrency sets how many idle connections the client keeps: as many as calls
// are usually under way at once. Without this option it is 64.
func WithConcurrency(calls int) Option {
	return option(func(c *clientConfig) {
		if calls <= 0 {
			c.fail(fmt.Errorf("the concurrency must be positive, not %d", calls))
		}
		c.concurrency = calls
	})
}

// WithInsecureHTTP allows the client to send the API key to that host without
// encryption. Without this option NewClient refuses a key together with an http://
// address of another machine.
func WithInsecureHTTP(host string) Option {
	return option(func(c *clientConfig) { c.insecure = append(c.insecure, host) })
}

// NewClient makes a client for the control plane at baseURL, which may have a path
// prefix. The client adds /api/v1 and the endpoint to it; a baseURL that ends in
// /api/v1 is an error. If baseURL is empty, the client takes it from AUREUS_BASE_URL,
// else it is http://localhost:3000. NewClient does not connect. Its error names every
// wrong argument, option and environment variable.
func NewClient(baseURL string, options ...Option) (*Client, error) {
	config := clientConfig{
		settings:    settings{retry: defaultRetries, userAgent: defaultUserAgent, batchSize: defaultBatchSize},
		concurrency: 64, proxy: http.ProxyFromEnvironment, breaker: defaultBreaker,
	}
	for _, option := range options {
		if option != nil {
			option.apply(&config)
		}
	}
	base, err := parseBaseURL(cmp.Or(baseURL, os.Getenv(envBaseURL), defaultBaseURL))
	if err != nil {
		config.fail(err)
	}
	config.readEnvironment()
	if err == nil && base.Scheme == "http" && config.credentials != nil && !config.mayBePlain(base.Hostname()) {
		config.fail(errors.New(plainRefusal(base.Hostname())))
	}
	if config.http != nil && config.tls != nil {
		config.fail(errors.New("WithTLS and WithHTTPClient exclude each other; set the TLS configuration in the transport of that client"))
	}
	if config.err != nil {
		return nil, fmt.Errorf("aureus: NewClient: %w", config.err)
	}

	conn := &connection{base: base, breaker: newBreaker(config.breaker), plain: base.Scheme == "http" && !config.mayBePlain(base.Hostname())}
	conn.closed, conn.close = context.WithCancel(context.Background())
	if config.http == nil {
		conn.own = config.newTransport(conn.closed)
		conn.roundTrip = conn.own.RoundTrip // without the redirects and cookies of an http.Client
	} else {
		httpClient := *config.http
		httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		conn.roundTrip = httpClient.Do
	}
	config.breakAll = config.breaker.Decisions
	return &Client{connection: conn, settings: config.settings}, nil
}

func plainRefusal(host string) string {
	return fmt.Sprintf("the API key would be sent to %s without encryption; use https, or allow it with WithInsecureHTTP(%q)", host, host)
}

func (c *clientConfig) readEnvironment() {
	if c.timeout == 0 {
		timeout, err := timeoutFromEnv()
		if err != nil {
			c.fail(err)
		}
		c.timeout = timeout
	}
	if key := os.Getenv(envAPIKey); !c.keyGiven && key != "" {
		WithAPIKey(key).apply(c)
	}
}

func (c *clientConfig) mayBePlain(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsLoopback() {
		return true
	}
	for _, allowed := range c.insecure {
		if strings.EqualFold(allowed, host) {
			return true
		}
	}
	return false
}

// newTransport is a transport that the application does not share, since it could
// instrument a shared one. Its connections close when the context ends.
func (c *clientConfig) newTransport(closed context.Context) *http.Transport {
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Transport{
		Proxy: c.proxy,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return own(closed, conn), nil
		},
		TLSClientConfig:       c.tls,
		ForceAttemptHTTP2:     true,
		MaxIdleConns:          2 * c.concurrency,
		MaxIdleConnsPerHost:   c.concurrency,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ExpectContinueTimeout: time.Second,
		// Includes the headers of all 1xx responses to a request.
		MaxResponseHeaderBytes: maxResponseHeader,
		// One HTTP/2 connection carries every call. Pings detect a dead one, so that the
		// next attempt does not use it.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, errors.New("the base URL is malformed; write one like https://aureus.example.com")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("the base URL must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("the base URL has no host")
	case base.User != nil:
		return nil, errors.New("the base URL has a user name or a password; pass the API key with WithAPIKey instead")
	case base.RawQuery != "" || base.Fragment != "" || base.ForceQuery:
		return nil, errors.New("the base URL has a query or a fragment; only a path prefix is allowed")
	case strings.HasSuffix(strings.ToLower(base.Path), apiPrefix):
		return nil, errors.New("the base URL ends in " + apiPrefix + ", which the client adds itself; leave it out")
	}
	return base, nil
}

func timeoutFromEnv() (time.Duration, error) {
	text := os.Getenv(envTimeout)
	if text == "" {
		return defaultTimeout, nil
	}
	timeout, err := time.ParseDuration(text)
	if seconds, numeric := strconv.ParseFloat(text, 64); numeric == nil {
		timeout, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || timeout <= 0 {
		return 0, fmt.Errorf("%s must be a positive duration such as 1m30s, or a number of seconds, not %q", envTimeout, text)
	}
	return timeout, nil
}

// validToken reports whether the text is a token (RFC 9110, 5.6.2): the name of a
// header or a method.
func validToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// validHeaderValue reports whether the text can be the value of a header (RFC 9110,
// 5.5).
func validHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f })
}
