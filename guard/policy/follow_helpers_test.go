package policy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// controlPlane answers the requests of a follower. Tests change its fields with set.
type controlPlane struct {
	url string

	mu        sync.Mutex
	text      string // of the bundle; empty: none
	signature []byte
	stops     []aureus.PolicyStop
	decide    func() aureus.GuardDecision // nil: no answer
	down      bool                        // nothing is answered
	noRecords bool                        // records are not taken
	rejects   bool                        // all records are rejected
	forgets   map[string]bool             // paths that fail with 401
	recorded  []aureus.DecisionRecord
	outcomes  []aureus.Outcome
	early     []aureus.DecisionID // outcomes of decisions that were neither made nor recorded here before
	decided   []aureus.DecisionID
}

// newControlPlane serves a control plane without a stream until the test ends.
func newControlPlane(t *testing.T, text string) *controlPlane {
	t.Helper()
	p := &controlPlane{text: text, forgets: map[string]bool{}}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *controlPlane) set(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *controlPlane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/api/v1")
	switch {
	case p.down:
		panic(http.ErrAbortHandler) // the connection ends without a response
	case p.forgets[path]:
		http.Error(w, `{"error":"no such key","code":"UNAUTHENTICATED"}`, http.StatusUnauthorized)
	case path == "/policy/bundle" && p.text != "":
		if p.signature != nil {
			w.Header().Set("Aureus-Signature", base64.StdEncoding.EncodeToString(p.signature))
		}
		name, version := p.label()
		w.Header().Set("Aureus-Bundle", name+"/"+version)
		answerConditionally(w, r, "application/yaml", []byte(p.text))
	case path == "/policy/stops":
		text, _ := json.Marshal(append([]aureus.PolicyStop{}, p.stops...))
		answerConditionally(w, r, "application/json", text)
	case path == "/policy/evaluate" && p.decide != nil:
		decision := p.decide()
		p.decided = append(p.decided, decision.DecisionID)
		writeJSON(w, decision)
	case path == "/audit/records/batch" && !p.noRecords:
		var list []aureus.DecisionRecord
		_ = json.NewDecoder(r.Body).Decode(&list)
		if p.rejects {
			rejected := make([]map[string]any, len(list))
			for i := range list {
				rejected[i] = map[string]any{"index": i, "reason": "too old"}
			}
			writeJSON(w, map[string]any{"accepted": 0, "rejected": rejected})
			return
		}
		p.recorded = append(p.recorded, list...)
		writeJSON(w, map[string]any{"accepted": len(list), "rejected": []any{}})
	case path == "/audit/outcomes/batch":
		var list []aureus.Outcome
		_ = json.NewDecoder(r.Body).Decode(&list)
		p.outcomes = append(p.outcomes, list...)
		p.noteEarly(list)
		writeJSON(w, map[string]any{"accepted": len(list), "rejected": []any{}})
	default:
		http.Error(w, `{"error":"not here","code":"NOT_FOUND"}`, http.StatusServiceUnavailable)
	}
}

func (p *controlPlane) noteEarly(list []aureus.Outcome) {
	known := map[aureus.DecisionID]bool{}
	for _, r := range p.recorded {
		known[r.DecisionID] = true
	}
	for _, id := range p.decided {
		known[id] = true
	}
	for _, o := range list {
		if !known[o.DecisionID] {
			p.early = append(p.early, o.DecisionID)
		}
	}
}

func (p *controlPlane) label() (name, version string) {
	for line := range strings.Lines(p.text) {
		if value, ok := strings.CutPrefix(line, "name: "); ok {
			name = strings.TrimSpace(value)
		}
		if value, ok := strings.CutPrefix(line, "version: "); ok {
			version = strings.TrimSpace(value)
		}
	}
	return name, version
}

func answerConditionally(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	etag := `"` + aureus.Digest(sha256.Sum256(body)).String() + `"`
	w.Header().Set("ETag", etag)
	if r.Header.Get("If-None-Match") == etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body)
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// client returns a client that does not repeat what has failed.
func (p *controlPlane) client(t *testing.T) *aureus.Client {
	t.Helper()
	c, err := aureus.NewClient(p.url, aureus.WithAPIKey("k"), aureus.WithRetry(aureus.RetryPolicies{
		Reads: aureus.NoRetry, Decisions: aureus.NoRetry, Changes: aureus.NoRetry, Reports: aureus.NoRetry,
	}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// follow returns a follower that asks each second, which ends with the test.
func (p *controlPlane) follow(t *testing.T, cache string, config policy.FollowConfig) *policy.Follower {
	t.Helper()
	if config.Interval == 0 {
		config.Interval = time.Second
	}
	f, err := policy.Follow(t.Context(), p.client(t), cache, config)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = f.Close(ctx) // tests that need its result close it themselves
	})
	return f
}

// followed is a bundle in which each way to a decision of a follower occurs.
func followed(version int, changes ...string) string {
	return strings.NewReplacer(changes...).Replace(fmt.Sprintf(`aureus: policy/1
name: followed
version: %d
roles:
  user: {grants: [{action: use, resource: thing}]}
principals:
  ann: {roles: [user]}
actions:
  look: {tier: low, requires: [{action: use, resource: thing}]}
  count: {tier: low, requires: [{action: use, resource: thing}]}
  count.timed: {tier: low, requires: [{action: use, resource: thing}]}
  count.medium: {tier: medium, requires: [{action: use, resource: thing}]}
  sign: {tier: high, requires: [{action: use, resource: thing}]}
rules:
  - {id: early, effect: deny, actions: [count.timed], when: "request.hour('UTC') > 24"}
budgets:
  - {id: some, actions: ["count*"], window: 1h, limit: 100}
on_unavailable: {low: {last_allow: 30s}}
`, version))
}

// allowed is the answer of a control plane that allows by the bundle.
func allowed(bundle string) func() aureus.GuardDecision {
	return func() aureus.GuardDecision {
		return aureus.GuardDecision{Allowed: true, Effect: "allow", ReasonCode: aureus.ReasonLowRisk, Bundle: bundle, DecisionID: aureus.NewDecisionID(time.Now())}
	}
}

func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 5*time.Millisecond, what)
}

// logged is a logger whose lines can be read.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
