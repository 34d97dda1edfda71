package controlplane_test

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"database/sql"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/storagetest"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// clock is a clock that changes only when the test moves it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// open opens a server in a folder of the test and closes it when the test ends.
func open(t *testing.T, change ...func(*controlplane.Config)) *controlplane.Server {
	t.Helper()
	config := controlplane.Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}
	for _, c := range change {
		c(&config)
	}
	copyEmptyFiles(t, config)
	if strings.HasPrefix(t.Name(), everyTransactionTwice) {
		controlplane.WrapStore(&config, storagetest.Twice)
	}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	return srv
}

func at(c *clock) func(*controlplane.Config) {
	return func(config *controlplane.Config) { config.Now = c.Now }
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// raw is one HTTP request, as a client in another language sends it.
type raw struct {
	method, path, body, key string
	header                  http.Header
	host                    string
	from                    string // the address that the request comes from
}

type answer struct {
	status int
	header http.Header
	body   string
	path   string // the requested path with the query
}

// do calls the handler directly, without a connection.
func (q raw) do(t *testing.T, handler http.Handler) answer {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), cmp.Or(q.method, http.MethodPost), "http://localhost/", io.NopCloser(strings.NewReader(q.body)))
	target, err := url.Parse("http://localhost" + q.path)
	require.NoError(t, err)
	r.URL, r.RequestURI, r.ContentLength = target, target.RequestURI(), int64(len(q.body))
	if q.host != "" {
		r.Host = q.host
	}
	r.RemoteAddr = cmp.Or(q.from, r.RemoteAddr)
	r.Header.Set("Content-Type", "application/json")
	if q.key != "" {
		r.Header.Set("Authorization", "Bearer "+q.key)
	}
	maps.Copy(r.Header, q.header)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	require.Positive(t, w.Body.Len(), "no response has an empty body")
	return answer{w.Code, w.Header(), w.Body.String(), q.path}
}

// json returns the body of the response, parsed strictly.
func (a answer) json(t *testing.T) map[string]any {
	t.Helper()
	value, err := strictjson.Parse([]byte(a.body))
	require.NoError(t, err, a.body)
	object, ok := value.(map[string]any)
	require.True(t, ok, a.body)
	return object
}

// refusal checks that the response is an error in the form that
// docs/spec/contract.md#errors gives.
func (a answer) refusal(t *testing.T, status int, code string) map[string]any {
	t.Helper()
	require.Equal(t, status, a.status, a.body)
	body := a.json(t)
	require.Equal(t, code, body["code"], a.body)
	require.NotEmpty(t, body["error"])
	require.NotEmpty(t, body["request_id"])
	require.Equal(t, body["request_id"], a.header.Get("X-Request-Id"))
	require.Equal(t, "application/json", a.header.Get("Content-Type"))
	return body
}

// newKey adds a key and returns its secret.
func newKey(t *testing.T, srv *controlplane.Server, role controlplane.Role, subject string, change ...func(*controlplane.Key)) string {
	t.Helper()
	key := controlplane.Key{Subject: subject, Role: role, SpeaksFor: []string{controlplane.Everyone}}
	for _, c := range change {
		c(&key)
	}
	_, secret, err := srv.Keys().Add(t.Context(), "test", key)
	require.NoError(t, err)
	return secret
}

// client returns a client of the server with that key, without a connection.
func client(t *testing.T, handler http.Handler, key string) *aureus.Client {
	t.Helper()
	c, err := aureus.NewClient("http://localhost", aureus.WithAPIKey(key), aureus.WithHTTPClient(&http.Client{Transport: handlerTransport{handler}}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

type handlerTransport struct{ http.Handler }

func (h handlerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	served := r.Clone(r.Context())
	served.RequestURI = r.URL.RequestURI()
	if served.Body == nil {
		served.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, served)
	response := w.Result()
	response.Request = r
	return response, nil
}

var (
	writer = aureus.Permission{Action: "write", Resource: "ledger"}
	agent  = aureus.Principal{ID: "agent-1", Type: "agent", Permissions: []aureus.Permission{writer}}
)

// transfer returns a request for a transfer of the amount, with that tier.
func transfer(tier aureus.PolicyRiskTier, amount int) aureus.Request {
	return aureus.Request{
		Principal: agent,
		Action:    aureus.Action{ID: "transfer", Name: "Transfer", RiskTier: tier, RequiredPermissions: []aureus.Permission{writer}},
		Arguments: map[string]any{"amount": amount, "to": "acct-2"},
	}
}

func collectAudit(t *testing.T, c *aureus.Client) []aureus.AuditRecord {
	t.Helper()
	entries, err := aureus.Collect(c.Audit(context.WithoutCancel(t.Context()), aureus.AuditQuery{}))
	require.NoError(t, err)
	return entries
}

func mustMarshal(t *testing.T, v any) string {
	t.Helper()
	text, err := strictjson.Marshal(v)
	require.NoError(t, err)
	return string(bytes.TrimSpace(text))
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var buffer bytes.Buffer
	w := gzip.NewWriter(&buffer)
	_, err := w.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buffer.String()
}

// idsOf returns the ids of the items of a JSON array.
func idsOf(t *testing.T, body string) (ids []string) {
	t.Helper()
	var items []struct {
		ID string `json:"id"`
	}
	require.NoError(t, strictjson.Unmarshal([]byte(body), &items))
	for _, item := range items {
		ids = append(ids, item.ID)
	}
	return ids
}

// nextPath returns the address in the Link header, relative to the request, or "".
func nextPath(a answer) string {
	target, rel, _ := strings.Cut(strings.TrimPrefix(a.header.Get("Link"), "<"), ">")
	if !strings.Contains(rel, `rel="next"`) {
		return ""
	}
	base, err := url.Parse(a.path)
	if err != nil {
		return ""
	}
	next, err := base.Parse(target)
	if err != nil {
		return ""
	}
	return next.String()
}

func withLocalAddr(ctx context.Context, addr net.Addr) context.Context {
	return context.WithValue(ctx, http.LocalAddrContextKey, addr)
}

// record returns a decision that was made outside the control plane.
func record(principal string) aureus.DecisionRecord {
	return aureus.DecisionRecord{
		DecisionID: aureus.NewDecisionID(time.Now()), Principal: principal, Action: "transfer", Effect: "allow",
		ReasonCode: aureus.ReasonLowRisk, Rule: "risk_tier", PolicyVersion: "goal-guard/1", Claimed: true,
	}
}

// execute runs a statement on a database file, without the server's knowledge.
func execute(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file+"?_pragma=busy_timeout(5000)") // the server may write at the same time
	require.NoError(t, err)
	_, err = db.Exec(statement)
	require.NoError(t, err)
	require.NoError(t, db.Close())
}

func validatorIDs(t *testing.T, body string) (ids []string) {
	t.Helper()
	var items []struct {
		ID string `json:"validator_id"`
	}
	require.NoError(t, strictjson.Unmarshal([]byte(body), &items))
	for _, item := range items {
		ids = append(ids, item.ID)
	}
	return ids
}
