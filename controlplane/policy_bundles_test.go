package controlplane_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// ledgerBundle returns a version of the bundle by which the tests decide. The comment and
// the spaces must be kept.
func ledgerBundle(version int, changes ...string) []byte {
	text := `# the ledger,   version by version
aureus: policy/1
name: ledger
version: ` + strconv.Itoa(version) + `
roles:
  teller:
    grants:
      - {action: read, resource: "accounts/*"}
      - {action: write, resource: ledger, intent: write}
principals:
  clerk: {roles: [teller]}
  svc: {roles: [teller]}
  guest: {roles: []}
actions:
  account.read: {tier: low, requires: [{action: read, resource: "accounts/{id}"}], routes: ["GET /accounts/{id}"], tools: [read_account]}
  transfer.make:
    tier: medium
    tier_when: [{when: "arguments.amount > 1000.0", tier: high}]
    requires: [{action: write, resource: ledger, intent: write}]
    tools: [make_transfer]
  transfer.undo: {tier: high, requires: [{action: write, resource: ledger, intent: write}], tools: [undo_transfer]}
  transfer.check: {tier: low, requires: [{action: write, resource: ledger}], tools: [check_transfer]}
  healthz: {open: true, routes: ["GET /healthz"]}
rules:
  - {id: frozen, effect: deny, actions: [transfer.make], when: "arguments.to == 'mallory'", reason: the account is frozen, remedy: ask the bank}
  - {id: new-payee, effect: require_approval, actions: [transfer.make], when: "!(arguments.to in params.known)"}
params: {known: [acme, zeta, mallory]}
budgets:
  - {id: hourly, actions: [transfer.make], window: 1h, sum: arguments.amount, limit: 5000}
` + "\n\n"
	return []byte(strings.NewReplacer(changes...).Replace(text))
}

// put stores a version of the bundle with an admin's key.
func put(t *testing.T, srv *controlplane.Server, text []byte) aureus.PolicyBundle {
	t.Helper()
	bundle, err := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "adam")).PutPolicyBundle(t.Context(), text, nil, aureus.Digest{})
	require.NoError(t, err)
	return bundle
}

// A bundle is kept byte by byte, with its history, by its tenant alone, across a restart
// and in a backup.
func TestPolicyBundle_Stored_IsKeptWithItsHistory(t *testing.T) {
	t.Parallel()
	now := newClock()
	file := filepath.Join(t.TempDir(), "a.db")
	named := func(c *controlplane.Config) { c.DB = file }
	srv := open(t, at(now), named)
	admin := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "adam"))
	service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
	ctx := t.Context()

	_, err := service.PolicyBundle(ctx, aureus.Digest{})
	require.ErrorIs(t, err, aureus.ErrNotFound)
	first, err := admin.PutPolicyBundle(ctx, ledgerBundle(3), nil, aureus.Digest{})
	require.NoError(t, err)
	require.Equal(t, "adam", first.PutBy)
	require.Equal(t, aureus.Digest(sha256.Sum256(ledgerBundle(3))), first.Digest)
	require.NotEmpty(t, first.Notes, "the open action is named")
	again, err := admin.PutPolicyBundle(ctx, ledgerBundle(3), nil, first.Digest)
	require.NoError(t, err)
	require.Equal(t, first.PutAt, again.PutAt)

	got, err := service.PolicyBundle(ctx, aureus.Digest{})
	require.NoError(t, err)
	require.Equal(t, ledgerBundle(3), got.Text)
	require.Equal(t, []any{"ledger", int64(3), first.Digest, false}, []any{got.Name, got.Version, got.Digest, got.Signed})
	_, err = service.PolicyBundle(ctx, got.Digest)
	require.ErrorIs(t, err, aureus.ErrNotModified)

	for _, refused := range []int{2, 3} {
		_, err = admin.PutPolicyBundle(ctx, ledgerBundle(refused, "tier: high", "tier: critical"), nil, aureus.Digest{})
		require.ErrorIs(t, err, aureus.ErrConflict)
		require.ErrorContains(t, err, "version "+strconv.Itoa(refused))
	}
	_, err = admin.PutPolicyBundle(ctx, ledgerBundle(4, "name: ledger", "name: payroll"), nil, aureus.Digest{})
	require.ErrorIs(t, err, aureus.ErrConflict, "followers would refuse it, and stay with the old one")
	require.ErrorContains(t, err, `its name is "payroll"`)
	_, err = admin.PutPolicyBundle(ctx, ledgerBundle(4), nil, aureus.Digest{1})
	require.ErrorIs(t, err, aureus.ErrConflict, "another bundle is in force than If-Match names")
	second, err := admin.PutPolicyBundle(ctx, ledgerBundle(4), nil, first.Digest)
	require.NoError(t, err)
	require.NotEqual(t, first.Digest, second.Digest)
	got, err = service.PolicyBundle(ctx, first.Digest)
	require.NoError(t, err)
	require.EqualValues(t, 4, got.Version)

	kept := func(srv *controlplane.Server) {
		service := client(t, srv, newKey(t, srv, controlplane.RoleService, "svc"))
		history, err := aureus.Collect(service.PolicyBundleHistory(ctx))
		require.NoError(t, err)
		require.Len(t, history, 2)
		require.Equal(t, []any{int64(4), int64(3), "adam"}, []any{history[0].Version, history[1].Version, history[0].PutBy})
		old, err := service.PolicyBundleVersion(ctx, 3)
		require.NoError(t, err)
		require.Equal(t, ledgerBundle(3), old.Text)
		_, err = service.PolicyBundleVersion(ctx, 5)
		require.ErrorIs(t, err, aureus.ErrNotFound)
		decision, err := service.Decide(ctx, ledgerPayment("acme", 5))
		require.NoError(t, err)
		require.Equal(t, "ledger/4", decision.Bundle)
	}
	kept(srv)
	other := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "adam", func(k *controlplane.Key) { k.Tenant = "other" }))
	_, err = other.PolicyBundle(ctx, aureus.Digest{})
	require.ErrorIs(t, err, aureus.ErrNotFound)
	_, err = other.PolicyBundleVersion(ctx, 3)
	require.ErrorIs(t, err, aureus.ErrNotFound)

	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, controlplane.Backup(ctx, file, backup))
	require.NoError(t, srv.Close())
	kept(open(t, at(now), named))
	kept(open(t, at(now), func(c *controlplane.Config) { c.DB = filepath.Join(backup, "a.db") }))
}

// Only an admin stores a bundle. A service reads it, and the audit log names who stored it.
func TestPolicyBundle_Roles_AreChecked(t *testing.T) {
	t.Parallel()
	srv := open(t)
	for _, role := range []controlplane.Role{controlplane.RoleService, controlplane.RoleOperator} {
		_, err := client(t, srv, newKey(t, srv, role, "x")).PutPolicyBundle(t.Context(), ledgerBundle(1), nil, aureus.Digest{})
		require.ErrorIs(t, err, aureus.ErrForbidden, role)
	}
	put(t, srv, ledgerBundle(1))
	entries, err := aureus.Collect(client(t, srv, newKey(t, srv, controlplane.RoleOperator, "olga")).Audit(t.Context(), aureus.AuditQuery{Kind: vocab.AuditBundlePut}))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.Equal(t, []any{"adam", "ledger/1"}, []any{entries[0].By, entries[0].Details["bundle"]})
}

// A bundle that cannot be loaded is refused with all its problems, and the one in force
// stays.
func TestPolicyBundle_WithProblems_ListsThemAll(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	put(t, s.server, ledgerBundle(1))
	admin := newKey(t, s.server, controlplane.RoleAdmin, "adam")
	broken := string(ledgerBundle(2, "tier: medium", "tier: enormous", "roles: [teller]}\n  svc", "roles: [tailor]}\n  svc"))
	body := raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: broken, key: admin, header: http.Header{"Content-Type": {"application/yaml"}}}.do(t, s.checker).refusal(t, 422, "VALIDATION_ERROR")
	details, ok := body["details"].([]any)
	require.True(t, ok)
	require.GreaterOrEqual(t, len(details), 2)
	for _, problem := range details {
		require.Regexp(t, `^\d+:\d+: .+`, object(problem)["message"])
	}
	require.Contains(t, body["error"], "enormous")
	require.Contains(t, body["error"], "tailor")

	_, err := client(t, s.server, admin).PutPolicyBundle(t.Context(), []byte("{"), nil, aureus.Digest{})
	require.ErrorIs(t, err, aureus.ErrInvalid)
	got, err := client(t, s.server, admin).PolicyBundle(t.Context(), aureus.Digest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Version)
}

// Where keys are configured, only bundles that one of them has signed come into force,
// also after a restart with other keys.
func TestPolicyBundle_PolicyKeys_RefuseWhatIsNotSigned(t *testing.T) {
	t.Parallel()
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	_, stranger, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "a.db")
	with := func(keys ...ed25519.PublicKey) func(*controlplane.Config) {
		return func(c *controlplane.Config) { c.DB, c.PolicyKeys = file, keys }
	}
	srv := open(t, with(public))
	secret := newKey(t, srv, controlplane.RoleAdmin, "adam")
	admin := client(t, srv, secret)
	text := ledgerBundle(1)
	for name, signature := range map[string][]byte{
		"none": nil, "of another key": ed25519.Sign(stranger, text), "of another text": ed25519.Sign(private, ledgerBundle(2)), "cut": ed25519.Sign(private, text)[:63],
	} {
		_, err := admin.PutPolicyBundle(t.Context(), text, signature, aureus.Digest{})
		require.ErrorIs(t, err, aureus.ErrInvalid, name)
	}
	stored, err := admin.PutPolicyBundle(t.Context(), text, ed25519.Sign(private, text), aureus.Digest{})
	require.NoError(t, err)
	require.True(t, stored.Signed)
	got, err := admin.PolicyBundle(t.Context(), aureus.Digest{})
	require.NoError(t, err)
	require.True(t, ed25519.Verify(public, got.Text, got.Signature))
	require.NoError(t, srv.Close())

	other, _ := stranger.Public().(ed25519.PublicKey)
	srv = open(t, with(other))
	admin = client(t, srv, secret)
	_, err = admin.Decide(t.Context(), ledgerPayment("acme", 5))
	require.ErrorIs(t, err, aureus.ErrUnavailable, "nothing is decided by a bundle that is not trusted")
	_, err = admin.PutPolicyBundle(t.Context(), ledgerBundle(2), ed25519.Sign(stranger, ledgerBundle(2)), aureus.Digest{})
	require.NoError(t, err)
	decision, err := admin.Decide(t.Context(), ledgerPayment("acme", 5))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, decision.Effect)
}

// In development mode a bundle needs an admin's key as everywhere, and its body must have
// a content type that the form of a web page cannot send.
func TestPolicyBundle_DevelopmentMode_NeedsTheKeyAndTheContentType(t *testing.T) {
	t.Parallel()
	srv := open(t, func(c *controlplane.Config) { c.Dev = true })
	admin := newKey(t, srv, controlplane.RoleAdmin, "adam")
	send := func(key, contentType string) answer {
		return raw{
			method: http.MethodPut, path: "/api/v1/policy/bundle", body: string(ledgerBundle(1)), key: key, from: "127.0.0.1:5000",
			header: http.Header{"Content-Type": {contentType}},
		}.do(t, srv)
	}
	for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		send(admin, contentType).refusal(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	}
	send("", "application/yaml").refusal(t, 401, "AUTHENTICATION_FAILED")
	send(admin, "application/yaml").ok(t)
	send(admin, "application/json").ok(t)
}

// Of two first bundles that are put at the same time, with If-None-Match, one is refused.
func TestPolicyBundle_TwoFirstOnes_OneIsPutInForce(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	admin := newKey(t, s.server, controlplane.RoleAdmin, "adam")
	var refused atomic.Int32
	var running sync.WaitGroup
	for version := 1; version <= 2; version++ {
		running.Go(func() {
			first := client(t, s.server, admin).With(aureus.WithHeader("If-None-Match", "*"))
			if _, err := first.PutPolicyBundle(context.Background(), ledgerBundle(version), nil, aureus.Digest{}); err != nil {
				assert.ErrorIs(t, err, aureus.ErrConflict)
				assert.ErrorContains(t, err, "a bundle is in force already")
				refused.Add(1)
			}
		})
	}
	running.Wait()
	require.EqualValues(t, 1, refused.Load())
	both := http.Header{"If-Match": {`"sha256:` + strings.Repeat("0", 63) + `1"`}, "If-None-Match": {"*"}}
	raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: string(ledgerBundle(3)), key: admin, header: both}.do(t, s.checker).refusal(t, 400, "VALIDATION_ERROR")
}

// Headers of a wrong form are refused, and so is what is larger than a body may be.
func TestPolicyBundle_WrongHeaders_AreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t, func(c *controlplane.Config) { c.MaxBody = 64 << 10 }))
	admin := newKey(t, s.server, controlplane.RoleAdmin, "adam")
	for name, value := range map[string]string{"Aureus-Signature": "not base64!", "If-Match": "sha256:1", "If-None-Match": "sha256:1"} {
		raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: string(ledgerBundle(1)), key: admin, header: http.Header{name: {value}}}.do(t, s.checker).refusal(t, 400, "VALIDATION_ERROR")
	}
	raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: strings.Repeat(" ", 65<<10), key: admin}.do(t, s.checker).refusal(t, 413, "BODY_TOO_LARGE")
	wrong := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 64))
	raw{method: http.MethodPut, path: "/api/v1/policy/bundle", body: string(ledgerBundle(1)), key: admin, header: http.Header{"Aureus-Signature": {wrong}}}.do(t, s.checker).ok(t) // without keys, nobody checks it
}

// ledgerPayment is the request of a clerk to pay.
func ledgerPayment(to string, amount float64) aureus.Request {
	return aureus.Request{Principal: aureus.Principal{ID: "clerk"}, Action: aureus.Action{ID: "transfer.make"}, Arguments: map[string]any{"to": to, "amount": amount}}
}

// The stream says which policy is in force: at its start, and within a second of each
// change. It ends when its key is revoked.
func TestStream_PolicyEvents_FollowEachChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, open(t))
	put(t, s.server, ledgerBundle(1))
	key, secret, err := s.server.Keys().Add(t.Context(), "test", controlplane.Key{Subject: "svc", Role: controlplane.RoleService})
	require.NoError(t, err)
	service, err := aureus.NewClient(s.url, aureus.WithAPIKey(secret), aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry}))
	require.NoError(t, err)
	defer func() { require.NoError(t, service.Close()) }()
	operator := client(t, s.server, s.operator)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	events := make(chan aureus.PolicyChange)
	ended := make(chan error, 1)
	go func() {
		for event, err := range service.Stream(ctx, aureus.StreamQuery{Kinds: []string{vocab.StreamPolicy}}) {
			if err != nil {
				ended <- err
				return
			}
			events <- *event.Policy
		}
	}()
	_, noStops, err := service.PolicyStops(ctx, aureus.Digest{})
	require.NoError(t, err)
	require.Equal(t, aureus.PolicyChange{Bundle: "ledger/1", ETag: sha256.Sum256(ledgerBundle(1)), StopsETag: noStops}, <-events)
	put(t, s.server, ledgerBundle(2))
	require.Equal(t, aureus.PolicyChange{Bundle: "ledger/2", ETag: sha256.Sum256(ledgerBundle(2)), StopsETag: noStops}, <-events)
	_, err = operator.StopPolicy(ctx, "all", "drill")
	require.NoError(t, err)
	change := <-events
	stops, digest, err := service.PolicyStops(ctx, noStops)
	require.NoError(t, err)
	require.Len(t, stops, 1)
	require.Equal(t, digest, change.StopsETag)
	_, _, err = service.PolicyStops(ctx, digest)
	require.ErrorIs(t, err, aureus.ErrNotModified)

	err = s.server.Keys().Revoke(t.Context(), "test", key.ID)
	require.NoError(t, err)
	require.ErrorIs(t, <-ended, aureus.ErrUnauthenticated)
}

// A bundle that is small as a text and large when it is compiled is refused, and the one in
// force stays.
func TestPutBundle_TooMuchMemory_IsRefused(t *testing.T) {
	t.Parallel()
	srv := open(t)
	controlplane.LimitBundleMemory(srv, 4<<20)
	put(t, srv, ledgerBundle(1))
	admin := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "adam"))
	var text bytes.Buffer
	text.WriteString("aureus: policy/1\nname: ledger\nversion: 2\nactions:\n")
	for n := range 150 {
		text.WriteString("  a" + strconv.Itoa(n) + ": {tier: low, requires: []}\n")
	}
	text.WriteString("rules:\n")
	for n := range 150 {
		text.WriteString("- {id: r" + strconv.Itoa(n) + ", effect: deny, actions: ['*']}\n")
	}
	_, err := admin.PutPolicyBundle(t.Context(), text.Bytes(), nil, aureus.Digest{})
	require.ErrorIs(t, err, aureus.ErrInvalid)
	require.ErrorContains(t, err, "MiB of memory")
	found, err := admin.PolicyBundle(t.Context(), aureus.Digest{})
	require.NoError(t, err)
	require.EqualValues(t, 1, found.Version)
}
