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

// The defaults of a [Client], and the environment variables that replace them
// where [NewClient] was not told.
const (
	defaultBaseURL = "http://localhost:3000"
	defaultTimeout = 30 * time.Second

	envBaseURL = "AUREUS_BASE_URL"
	envAPIKey  = "AUREUS_API_KEY"
	envTimeout = "AUREUS_TIMEOUT" // a Go duration (1m30s) or a number of seconds (90)
)

// Option changes a [Client] under construction.
type Option interface{ apply(*clientConfig) }

// CallOption is an [Option] that [Client.With] takes as well.
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

// WithAPIKey sends the key as a bearer token, and no token if it is empty.
// Without this option the key is that of AUREUS_API_KEY.
func WithAPIKey(key string) CallOption {
	if badKey(key) {
		return keyOption{refuse("the API key has a space, a line break or a character outside ASCII; was it copied whole and alone?")}
	}
	if key == "" {
		return keyOption{func(s *settings) { s.credentials = nil }}
	}
	return WithCredentials(func(context.Context) (string, error) { return key, nil })
}

func badKey(key string) bool {
	return strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// WithCredentials asks the function for the key before each attempt, so that
// keys can rotate. The function is called concurrently, with the call's
// context, and should cache. Where it fails, nothing is sent; its error is in
// the chain of the call's, but not in its text.
func WithCredentials(key func(ctx context.Context) (string, error)) CallOption {
	if key == nil {
		return keyOption{refuse("the function for credentials is nil")}
	}
	return keyOption{func(s *settings) { s.credentials = key }}
}

// keyOption notes that a key was given, so that the environment's is not used.
type keyOption struct{ callOption }

func (o keyOption) apply(c *clientConfig) { c.keyGiven = true; o.callOption.apply(c) }

// WithTimeout bounds each attempt of a call, and for ExecuteWorkflow and lists
// the silence of the server. It must be positive; without this option it is
// that of AUREUS_TIMEOUT, else 30 s. What bounds a call as a whole, retries
// included, is its context and its [RetryPolicy].
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
		return refuse("the header %q is not for WithHeader", name)
	}
	if !validToken(name) {
		return refuse("the header name %q has characters that no header name has", name)
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

// WithAttemptObserver calls the function after each attempt of each call, on
// the goroutine of the call. It must be fast and safe for concurrent use.
func WithAttemptObserver(observe func(context.Context, Attempt)) CallOption {
	return callOption(func(s *settings) { s.observe = observe })
}

// WithGzip compresses request bodies of at least that many bytes. It is off
// without this option, since it costs more than it saves on one machine, and
// not every server takes it. Answers are decompressed in any case.
func WithGzip(from int) CallOption {
	if from <= 0 {
		return refuse("the size from which to compress must be positive, not %d", from)
	}
	return callOption(func(s *settings) { s.gzipAbove = from })
}

// The bounds of [WithBatchSize]: what the control plane takes at most.
const (
	maxBatchItems = 10_000
	maxBatchBytes = 64 << 20
)

// WithBatchSize bounds each request of a batch report, such as
// [Client.ReportSpans]: at most that many items, from 1 to 10,000, and that many
// bytes of JSON, from 1 to 64 MiB. What has more goes out as more requests, up
// to four at once; an item that is larger alone is sent alone. Without this
// option it is 2,048 items and 8 MiB. Records for the audit log are never more
// than 2,048 in a request. A request that the server answers with 413 all the
// same is halved and sent again.
func WithBatchSize(items, bytes int) CallOption {
	if items < 1 || items > maxBatchItems {
		return refuse("the items of a batch must be 1 to %d, not %d", maxBatchItems, items)
	}
	if bytes < 1 || bytes > maxBatchBytes {
		return refuse("the bytes of a batch must be 1 to %d, not %d", maxBatchBytes, bytes)
	}
	return callOption(func(s *settings) { s.batchSize = batchSize{items: items, bytes: bytes} })
}

// WithBreaker changes the circuit breaker; see [BreakerPolicy].
func WithBreaker(policy BreakerPolicy) Option {
	return option(func(c *clientConfig) {
		if policy.Failures < 0 || policy.Cooldown < 0 {
			c.fail(errors.New("the breaker's numbers must not be negative"))
		}
		c.breaker = policy
	})
}

// WithHTTPClient sends through the given client's transport, cookie jar and
// timeout: the way to bring a transport of one's own. The client is copied, and
// its redirect policy replaced by one that follows none. Do not hand in a
// transport that OpenTelemetry instruments: exporting its spans would make more
// spans. It excludes WithTLS, WithProxy and WithConcurrency.
func WithHTTPClient(client *http.Client) Option {
	return option(func(c *clientConfig) {
		if client == nil {
			c.fail(errors.New("the *http.Client is nil"))
		}
		c.http = client
	})
}

// WithTLS uses the configuration for https: an own certificate authority in
// RootCAs, client certificates in Certificates. It is copied.
func WithTLS(config *tls.Config) Option {
	return option(func(c *clientConfig) {
		if config == nil {
			c.fail(errors.New("the TLS configuration is nil"))
		}
		c.tls = config.Clone()
	})
}

// WithProxy chooses the proxy of a request, nil for none. Without this option
// it is that of HTTP_PROXY, HTTPS_PROXY and NO_PROXY.
func WithProxy(proxy func(*http.Request) (*url.URL, error)) Option {
	return option(func(c *clientConfig) { c.proxy = proxy })
}

// WithConcurrency says how many calls are usually under way at once, so that
// as many connections are kept. Without this option it is 64.
func WithConcurrency(calls int) Option {
	return option(func(c *clientConfig) {
		if calls <= 0 {
			c.fail(fmt.Errorf("the concurrency must be positive, not %d", calls))
		}
		c.concurrency = calls
	})
}

// WithInsecureHTTP allows to send the key to that host without encryption.
// Without it NewClient refuses a key together with an http:// address outside
// this machine.
func WithInsecureHTTP(host string) Option {
	return option(func(c *clientConfig) { c.insecure = append(c.insecure, host) })
}

// NewClient makes a client for the control plane at baseURL, which may carry a
// path prefix: the address of a call is baseURL, /api/v1 and the endpoint, and a
// baseURL that ends in /api/v1 is refused. An empty baseURL stands for AUREUS_BASE_URL, else for
// http://localhost:3000. It connects to nothing yet; errors are those of its
// arguments and of the environment, all of them at once.
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
		config.fail(errors.New("WithTLS has no effect beside WithHTTPClient; set it in that client's transport"))
	}
	if config.err != nil {
		return nil, fmt.Errorf("aureus: NewClient: %w", config.err)
	}

	conn := &connection{base: base, breaker: newBreaker(config.breaker), plain: base.Scheme == "http" && !config.mayBePlain(base.Hostname())}
	conn.closed, conn.close = context.WithCancel(context.Background())
	if config.http == nil {
		conn.own = config.newTransport(conn.closed)
		conn.roundTrip = conn.own.RoundTrip // an http.Client would add redirects and cookies, of which there are none
	} else {
		httpClient := *config.http
		httpClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		conn.roundTrip = httpClient.Do
	}
	config.breakAll = config.breaker.Decisions
	return &Client{connection: conn, settings: config.settings}, nil
}

func plainRefusal(host string) string {
	return fmt.Sprintf("a key would go unencrypted to %s; use https, or allow it with WithInsecureHTTP(%q)", host, host)
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

// newTransport is a transport of our own: one shared with the application may
// be instrumented by it. Its connections end with the context.
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
		// Also of all answers 1xx to a request together.
		MaxResponseHeaderBytes: maxAnswerHeader,
		// A connection of HTTP/2 carries every call: one that died without a word
		// is found out, and not used for the next attempt.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 10 * time.Second},
	}
}

func parseBaseURL(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(text, "/"))
	switch {
	case err != nil:
		return nil, errors.New("the base URL cannot be read; it should look like https://aureus.example.com")
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, errors.New("the base URL must begin with http:// or https://")
	case base.Hostname() == "":
		return nil, errors.New("the base URL names no host")
	case base.User != nil:
		return nil, errors.New("the base URL holds a user name or password; pass the key with WithAPIKey instead")
	case base.RawQuery != "" || base.Fragment != "" || base.ForceQuery:
		return nil, errors.New("the base URL has a query or a fragment; it may only have a path prefix")
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

// validToken reports whether the text can be the name of a header or a method
// (RFC 9110, 5.6.2).
func validToken(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

// validHeaderValue reports whether the text can be sent as a field's value
// (RFC 9110, 5.5).
func validHeaderValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return (r < ' ' && r != '\t') || r == 0x7f })
}
