package controlplane_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/guard/policy"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// plane is a control plane behind a listener that a test can switch off.
type plane struct {
	server          *controlplane.Server
	url             string
	listening       *httptest.Server
	down, streamOff atomic.Bool

	service, operator, admin *aureus.Client
	serviceKey               controlplane.Key
}

func newPlane(t *testing.T, change ...func(*controlplane.Config)) *plane {
	t.Helper()
	p := &plane{server: open(t, change...)}
	p.listening = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.down.Load() || p.streamOff.Load() && strings.HasSuffix(r.URL.Path, "/stream") {
			panic(http.ErrAbortHandler) // the connection ends without a response
		}
		p.server.ServeHTTP(w, r)
	}))
	t.Cleanup(p.listening.Close)
	p.url = p.listening.URL
	key, secret, err := p.server.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "svc", Role: controlplane.RoleService, SpeaksFor: []string{controlplane.Everyone}})
	require.NoError(t, err)
	p.serviceKey, p.service = key, p.connect(t, secret)
	p.operator = client(t, p.server, newKey(t, p.server, controlplane.RoleOperator, "olga"))
	p.admin = client(t, p.server, newKey(t, p.server, controlplane.RoleAdmin, "adam"))
	return p
}

// connect returns a client that gives up at once if it gets no response.
func (p *plane) connect(t *testing.T, key string) *aureus.Client {
	t.Helper()
	c, err := aureus.NewClient(p.url, aureus.WithAPIKey(key), aureus.WithRetry(aureus.RetryPolicies{
		Reads: aureus.NoRetry, Decisions: aureus.NoRetry, Changes: aureus.NoRetry, Reports: aureus.NoRetry,
	}))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func (p *plane) put(t *testing.T, text []byte) {
	t.Helper()
	_, err := p.admin.PutPolicyBundle(t.Context(), text, nil, aureus.Digest{})
	require.NoError(t, err)
}

// off ends all connections and answers no request until on.
func (p *plane) off() {
	p.down.Store(true)
	p.listening.CloseClientConnections()
}

func (p *plane) on() { p.down.Store(false) }

// follow starts a follower, which ends with the test.
func (p *plane) follow(t *testing.T, cache string, config policy.FollowConfig) *policy.Follower {
	t.Helper()
	f, err := policy.Follow(t.Context(), p.service, cache, config)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = f.Close(ctx) // tests that need its result close it themselves
	})
	return f
}

// eventually waits until the condition holds.
func eventually(t *testing.T, condition func() bool, what string) {
	t.Helper()
	require.Eventually(t, condition, 30*time.Second, 5*time.Millisecond, what)
}

// readAccount is a request that a follower decides alone.
func readAccount() aureus.Request {
	return aureus.Request{Principal: aureus.Principal{ID: "clerk"}, Action: aureus.Action{ID: "account.read"}, Arguments: map[string]any{"id": "acme"}}
}

func codeOf(t *testing.T, f *policy.Follower, request aureus.Request) aureus.ReasonCode {
	t.Helper()
	decision, err := f.Decide(t.Context(), request)
	require.NoError(t, err)
	return decision.ReasonCode
}

// A follower with an interval of an hour learns of a stop, of its end and of a new bundle,
// in which a grant was revoked, by the event stream.
func TestFollow_ByStream_StopsAndRevocationReachIt(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	changesReach(t, p, p.follow(t, "", policy.FollowConfig{Interval: time.Hour}))
}

// Without the stream, a follower learns the same within its interval.
func TestFollow_WithoutStream_StopsAndRevocationReachIt(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.streamOff.Store(true)
	p.put(t, ledgerBundle(1))
	changesReach(t, p, p.follow(t, "", policy.FollowConfig{Interval: time.Second}))
}

func changesReach(t *testing.T, p *plane, f *policy.Follower) {
	t.Helper()
	ctx := t.Context()
	require.Equal(t, aureus.ReasonLowRisk, codeOf(t, f, readAccount()))
	began := time.Now()
	_, err := p.operator.StopPolicy(ctx, "principal:clerk", "drill")
	require.NoError(t, err)
	eventually(t, func() bool { return codeOf(t, f, readAccount()) == aureus.ReasonStopped }, "the stop")
	t.Logf("the stop reached the follower after %s", time.Since(began).Round(time.Millisecond))
	_, err = p.operator.ResumePolicy(ctx, "principal:clerk")
	require.NoError(t, err)
	eventually(t, func() bool { return codeOf(t, f, readAccount()) == aureus.ReasonLowRisk }, "the end of the stop")
	p.put(t, ledgerBundle(2, "clerk: {roles: [teller]}", "clerk: {roles: []}"))
	eventually(t, func() bool { return codeOf(t, f, readAccount()) == aureus.ReasonPermissionDenied }, "the revocation")
	require.Equal(t, "ledger/2", f.Stats().Bundle)
}

// While the control plane is down, what it is not needed for goes on, and everything else
// is undecided. Afterwards the follower learns what has changed in the meantime.
func TestFollow_ControlPlaneDown_DecidesWhatItCanAlone(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	f := p.follow(t, "", policy.FollowConfig{Interval: time.Second})
	ctx := t.Context()
	decision, err := f.Decide(ctx, ledgerPayment("acme", 5))
	require.NoError(t, err)
	require.Equal(t, aureus.ReasonMediumRisk, decision.ReasonCode)
	require.Equal(t, []uint64{0, 1}, []uint64{f.Stats().Local, f.Stats().Remote})

	p.off()
	require.Equal(t, aureus.ReasonLowRisk, codeOf(t, f, readAccount()))
	require.Equal(t, aureus.ReasonRuleDenied, codeOf(t, f, ledgerPayment("mallory", 5)))
	for _, needed := range []aureus.Request{ledgerPayment("acme", 5), ledgerPayment("acme", 1001)} { // a budget, a person
		decision, err := f.Decide(ctx, needed)
		require.ErrorIs(t, err, aureus.ErrUnavailable)
		require.Equal(t, aureus.Deny, decision.Effect)
	}
	require.EqualValues(t, 2, f.Stats().Undecided)
	p.put(t, ledgerBundle(2, "clerk: {roles: [teller]}", "clerk: {roles: []}"))
	require.Equal(t, aureus.ReasonLowRisk, codeOf(t, f, readAccount()))
	p.on()
	eventually(t, func() bool { return codeOf(t, f, readAccount()) == aureus.ReasonPermissionDenied }, "the revocation")
}

// A follower starts with its cache file while the control plane is down, and with neither
// it does not start. The file belongs to its tenant, and its bundle to its max_age.
func TestFollow_ControlPlaneDownAtStart_UsesTheCacheFile(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1, "version: 1\n", "version: 1\nmax_age: 1h\n"))
	_, err := p.operator.StopPolicy(t.Context(), "action:transfer.undo", "drill")
	require.NoError(t, err)
	cache := filepath.Join(t.TempDir(), "cache")
	first := p.follow(t, cache, policy.FollowConfig{})
	require.NoError(t, first.Close(t.Context()))
	_, err = first.Decide(t.Context(), readAccount())
	require.ErrorContains(t, err, "closed")

	p.off()
	_, err = policy.Follow(t.Context(), p.service, filepath.Join(t.TempDir(), "none"), policy.FollowConfig{})
	require.ErrorIs(t, err, aureus.ErrUnavailable)
	_, err = policy.Follow(t.Context(), p.service, cache, policy.FollowConfig{Tenant: "other"})
	require.ErrorContains(t, err, "tenant")
	later := newClock()
	later.now = time.Now().Add(59 * time.Minute)
	f := p.follow(t, cache, policy.FollowConfig{Now: later.Now})
	require.Equal(t, aureus.ReasonLowRisk, codeOf(t, f, readAccount()))
	stopped := readAccount()
	stopped.Action.ID = "transfer.undo"
	require.Equal(t, aureus.ReasonStopped, codeOf(t, f, stopped))
	later.Advance(2 * time.Minute)
	_, err = f.Decide(t.Context(), readAccount())
	require.ErrorIs(t, err, policy.ErrStale)
	_, err = policy.Follow(t.Context(), p.service, cache, policy.FollowConfig{Now: later.Now})
	require.ErrorIs(t, err, policy.ErrStale)
	p.on() // the contact renews it
	eventually(t, func() bool { _, err := f.Decide(t.Context(), readAccount()); return err == nil }, "the contact")
}

// After its key was revoked, a follower decides nothing, and does not start.
func TestFollow_KeyRevoked_DecidesNothing(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	cache := filepath.Join(t.TempDir(), "cache")
	f := p.follow(t, cache, policy.FollowConfig{Interval: time.Hour})
	require.Equal(t, aureus.ReasonLowRisk, codeOf(t, f, readAccount()))
	require.NoError(t, p.server.Keys().Revoke(t.Context(), "test", p.serviceKey.ID))
	eventually(t, func() bool {
		_, err := f.Decide(t.Context(), readAccount())
		return err != nil
	}, "the revocation")
	_, err := f.Decide(t.Context(), readAccount())
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
	require.True(t, f.Stats().Refused)
	_, err = policy.Follow(t.Context(), p.service, cache, policy.FollowConfig{})
	require.ErrorIs(t, err, aureus.ErrUnauthenticated)
}

// Each of many decisions during a replacement is by the old or the new bundle, and every
// one is in the audit log as a decision by a bundle that the control plane knows.
func TestFollow_BundleReplacedUnderLoad_EveryDecisionIsRecorded(t *testing.T) {
	t.Parallel()
	p := newPlane(t)
	p.put(t, ledgerBundle(1))
	f := p.follow(t, "", policy.FollowConfig{Interval: time.Hour})
	var mu sync.Mutex
	codes, ids := map[string]aureus.ReasonCode{}, map[aureus.DecisionID]string{}
	var workers sync.WaitGroup
	decide := func(workerDone func(decision aureus.Decision, n int) bool) {
		for n := 0; ; n++ {
			decision, err := f.Decide(t.Context(), readAccount())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			codes[decision.Bundle+" "+string(decision.ReasonCode)] = decision.ReasonCode
			ids[decision.ID] = decision.Bundle
			mu.Unlock()
			if workerDone(decision, n) {
				return
			}
			if n > 400 { // the queue must not be full
				time.Sleep(time.Millisecond)
			}
		}
	}
	for range 4 {
		workers.Go(func() {
			decide(func(d aureus.Decision, n int) bool { return d.Bundle == "ledger/2" && n >= 300 })
		})
	}
	p.put(t, ledgerBundle(2, "clerk: {roles: [teller]}", "clerk: {roles: []}"))
	workers.Wait()
	require.GreaterOrEqual(t, len(ids), 1000)
	require.Equal(t, map[string]aureus.ReasonCode{
		"ledger/1 LOW_RISK_ALLOWED": aureus.ReasonLowRisk, "ledger/2 PERMISSION_DENIED": aureus.ReasonPermissionDenied,
	}, codes)
	require.NoError(t, f.Close(t.Context()))
	require.Zero(t, f.Stats().Dropped)
	recorded := map[aureus.DecisionID]string{}
	for entry, err := range p.operator.Audit(t.Context(), aureus.AuditQuery{Kind: vocab.AuditDecision}) {
		require.NoError(t, err)
		recorded[entry.DecisionID], _ = entry.Details["bundle"].(string)
	}
	require.Equal(t, ids, recorded)
	for id := range ids {
		details, err := p.operator.Decision(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, []any{"reported", false}, []any{details.Source, details.Claimed})
		break
	}
}
