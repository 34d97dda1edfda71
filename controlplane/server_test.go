package controlplane_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/crvgate/registry"
)

func TestOpen_InvalidConfig_IsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	for name, row := range map[string]struct {
		config controlplane.Config
		says   string
	}{
		"the zero value":                     {controlplane.Config{}, "set DB to the path of a file"},
		"two places":                         {controlplane.Config{DB: file, Ephemeral: true}, "must not both be set"},
		"memory":                             {controlplane.Config{DB: ":memory:"}, "use Ephemeral"},
		"a URI":                              {controlplane.Config{DB: "file:x?mode=memory"}, "use Ephemeral"},
		"a folder that does not exist":       {controlplane.Config{DB: filepath.Join(file, "no", "such")}, "opening the store"},
		"a folder":                           {controlplane.Config{DB: t.TempDir()}, "opening the store"},
		"an operator's key without dev mode": {controlplane.Config{DB: file, OperatorKey: "0123456789abcdef"}, "development mode"},
		"a short operator's key":             {controlplane.Config{DB: file, Dev: true, OperatorKey: "short"}, "16 to 512"},
		"an operator's key with a space":     {controlplane.Config{DB: file, Dev: true, OperatorKey: "0123456789 abcdef"}, "without spaces"},
		"an invalid tenant":                  {controlplane.Config{DB: file, Tenant: "Ä"}, "tenant"},
		"a negative lifetime":                {controlplane.Config{DB: file, ApprovalLifetime: -1}, "negative"},
		"Validators fails":                   {controlplane.Config{DB: file, Validators: func(*registry.Registry) error { return errors.New("host says no") }}, "host says no"},
	} {
		t.Run(name, func(t *testing.T) {
			srv, err := controlplane.Open(t.Context(), row.config)
			require.ErrorContains(t, err, row.says)
			require.Nil(t, srv)
			require.NotContains(t, err.Error(), "0123456789")
		})
	}
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err, "an Open that fails leaves no file locked")
	require.NoError(t, srv.Close())
}

func TestOpen_FilesOfARunningServer_AreRefused(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file := filepath.Join(folder, "aureus.db")
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	alias := filepath.Join(folder, "alias.db")
	require.NoError(t, os.Symlink(file, alias))
	for _, name := range []string{file, alias} {
		_, err = controlplane.Open(t.Context(), controlplane.Config{DB: name})
		require.ErrorContains(t, err, "another process has the store open")
	}
	if runtime.GOOS != "windows" {
		entries, err := os.ReadDir(folder)
		require.NoError(t, err)
		for _, entry := range entries {
			info, err := entry.Info()
			require.NoError(t, err)
			if info.Mode().IsRegular() {
				require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), entry.Name())
			}
		}
	}
	require.NoError(t, srv.Close())
	again, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	require.NoError(t, again.Close())
}

func TestKeys_ManagedWhileServing_TakeEffect(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, func(c *controlplane.Config) { c.DB = file })
	beside, err := controlplane.OpenKeys(t.Context(), file)
	require.NoError(t, err)
	key, secret, err := beside.Add(t.Context(), "test", controlplane.Key{Subject: "svc", Role: controlplane.RoleService, SpeaksFor: []string{controlplane.Everyone}})
	require.NoError(t, err)
	c := client(t, srv, secret)
	_, err = c.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	require.NoError(t, beside.Revoke(t.Context(), "test", key.ID))
	_, err = c.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.ErrorIs(t, err, aureus.ErrUnauthenticated, "a revoked key is invalid at once")
	require.NoError(t, beside.Close())
	verified, err := srv.Operator("olga").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.Equal(t, int64(3), verified.Entries, "the entries of both are in one chain")
	require.True(t, verified.Valid)

	_, err = controlplane.OpenKeys(t.Context(), "")
	require.ErrorContains(t, err, "set DB")
}

func TestRestart_SameFile_KeepsEverything(t *testing.T) {
	t.Parallel()
	clock := newClock()
	config := controlplane.Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Now: clock.Now, Validators: hostFunctions}
	srv, err := controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	service := srv.Client()
	secret := newKey(t, srv, controlplane.RoleService, "svc")
	pending, approved := ask(t, service, 1), ask(t, service, 2)
	_, err = srv.Operator("olga").Approve(t.Context(), approved.ID, approved.ActionDigest, "ok")
	require.NoError(t, err)
	for _, want := range []int{1, 2} {
		registration, err := service.RegisterValidator(t.Context(), "small", map[string]any{"type": "max_size", "parameters": map[string]any{"max": 10 * want}})
		require.NoError(t, err)
		require.Equal(t, want, registration.Version)
	}
	_, err = service.RegisterValidator(t.Context(), "host", map[string]any{"type": "custom", "validation_logic": "stub_throw"})
	require.NoError(t, err)
	require.NoError(t, service.ReportSpan(t.Context(), aureus.Span{ID: "s", TraceID: "tr", Name: "n", StartTime: "t"}))
	before := collectAudit(t, srv.Operator("olga"))
	require.NoError(t, srv.Close())

	_, err = service.Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.ErrorIs(t, err, aureus.ErrUnavailable, "the client of a closed server")

	config.Validators = nil // the host function is missing now
	srv, err = controlplane.Open(t.Context(), config)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, srv.Close()) })
	service = srv.Client()
	require.Equal(t, before, collectAudit(t, srv.Operator("olga")))
	still, err := service.Approval(t.Context(), pending.ID)
	require.NoError(t, err, "the in-process key is the same after a restart")
	require.Equal(t, pending.ActionDigest, still.ActionDigest)
	require.Equal(t, pending.Arguments, still.Arguments)
	passed, err := service.Decide(t.Context(), transfer(aureus.TierHigh, 2))
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, passed.Effect)
	_, err = client(t, srv, secret).Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	spans, err := service.Trace(t.Context(), "tr")
	require.NoError(t, err)
	require.Len(t, spans, 1)

	judge := func(validator string, data any) aureus.GateResult {
		result, err := service.ValidateCommit(t.Context(), aureus.Commit{ID: "c", Data: data}, aureus.GateConfig{Name: "g", Validators: []string{validator}, BlockOnFailure: true})
		require.NoError(t, err)
		return result
	}
	require.True(t, judge("small", "0123456789").Passed, "version 2, which allows 20")
	require.Equal(t, aureus.OutOfScope, judge("small", strings.Repeat("0", 30)).FailureCode)
	require.False(t, judge("host", 1).Passed, "a validator without its host function fails")
	registration, err := service.RegisterValidator(t.Context(), "small", map[string]any{"type": "max_size", "parameters": map[string]any{"max": 1}})
	require.NoError(t, err)
	require.Equal(t, 3, registration.Version)
	require.True(t, registration.Replaced)
	verified, err := srv.Operator("olga").VerifyAudit(t.Context())
	require.NoError(t, err)
	require.True(t, verified.Valid)
}

func TestServer_Ephemeral_LeavesNoFiles(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	srv, err := controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true})
	require.NoError(t, err)
	_, err = srv.Client().Decide(t.Context(), transfer(aureus.TierLow, 1))
	require.NoError(t, err)
	entries, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	require.NoError(t, srv.Close())
	require.NoError(t, srv.Close())
	entries, err = os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestOpen_FileOfANewerVersion_IsRefused(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv, err := controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.NoError(t, err)
	require.NoError(t, srv.Close())
	execute(t, file, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (99, 1)`)
	_, err = controlplane.Open(t.Context(), controlplane.Config{DB: file})
	require.ErrorContains(t, err, "written by a newer version")
}

// The test reads the first line of an export that is longer than all buffers, and
// then closes the body.
func TestExport_InProcess_IsStreamed(t *testing.T) {
	t.Parallel()
	srv := open(t)
	records := make([]aureus.DecisionRecord, 3000)
	for i := range records {
		records[i] = record("agent-1")
	}
	require.NoError(t, srv.Client().RecordDecisions(t.Context(), records))
	olga := newKey(t, srv, controlplane.RoleOperator, "olga")
	transport := controlplane.InProcess(srv)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/api/v1/audit/export", http.NoBody)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+olga)
	response, err := transport.RoundTrip(request)
	require.NoError(t, err)
	line, err := bufio.NewReader(response.Body).ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, `"sequence":1`)
	require.NoError(t, response.Body.Close(), "closing the body ends the handler; goleak checks that at the end")
}

func TestInProcess_RoundTrip_BehavesAsATransport(t *testing.T) {
	t.Parallel()
	srv := open(t)
	transport := controlplane.InProcess(srv)
	ask := func(ctx context.Context, method, path string) (*http.Response, error) {
		request, err := http.NewRequestWithContext(ctx, method, "http://localhost"+path, http.NoBody)
		require.NoError(t, err)
		return transport.RoundTrip(request)
	}
	t.Run("the whole response is read", func(t *testing.T) {
		response, err := ask(t.Context(), http.MethodGet, "/healthz")
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Contains(t, string(body), `"ok"`)
		require.Equal(t, "application/json", response.Header.Get("Content-Type"))
	})
	t.Run("HEAD has no body", func(t *testing.T) {
		response, err := ask(t.Context(), http.MethodHead, "/healthz")
		require.NoError(t, err)
		body, err := io.ReadAll(response.Body)
		require.NoError(t, err)
		require.Empty(t, body)
		require.NoError(t, response.Body.Close())
	})
	t.Run("a context that has ended", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		response, err := ask(ctx, http.MethodGet, "/healthz")
		if err == nil { // the response may have arrived before
			require.NoError(t, response.Body.Close())
			return
		}
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("a response that is not read does not block Close", func(t *testing.T) {
		other, err := controlplane.Open(t.Context(), controlplane.Config{Ephemeral: true})
		require.NoError(t, err)
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://localhost/healthz", http.NoBody)
		require.NoError(t, err)
		response, err := controlplane.InProcess(other).RoundTrip(request)
		require.NoError(t, err)
		require.NoError(t, other.Close())
		require.NoError(t, response.Body.Close())
	})
}

func TestEvaluate_CancelledRequest_DecidesNothing(t *testing.T) {
	t.Parallel()
	srv := open(t)
	approval := ask(t, srv.Client(), 500)
	_, err := srv.Operator("olga").Approve(t.Context(), approval.ID, approval.ActionDigest, "")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	decision, err := srv.Client().Decide(ctx, transfer(aureus.TierHigh, 500))
	require.Error(t, err)
	require.Equal(t, aureus.Deny, decision.Effect)
	still, err := srv.Client().Approval(t.Context(), approval.ID)
	require.NoError(t, err)
	require.Equal(t, aureus.ApprovalApproved, still.Status)
}

func TestServer_Zero_RefusesRequests(t *testing.T) {
	t.Parallel()
	for name, srv := range map[string]*controlplane.Server{"nil": nil, "zero": {}} {
		t.Run(name, func(t *testing.T) {
			got := raw{path: "/api/v1/policy/evaluate", body: wireContext}.do(t, srv)
			require.Equal(t, http.StatusInternalServerError, got.status)
			require.NotEmpty(t, got.json(t)["error"])
		})
	}
}

func TestValidators_EachRole_RegistersItsOwn(t *testing.T) {
	t.Parallel()
	srv := open(t)
	mine := client(t, srv, newKey(t, srv, controlplane.RoleService, "mine"))
	other := client(t, srv, newKey(t, srv, controlplane.RoleOperator, "other"))
	admin := client(t, srv, newKey(t, srv, controlplane.RoleAdmin, "root"))
	rule := func(limit int) map[string]any {
		return map[string]any{"type": "max_size", "parameters": map[string]any{"max": limit}}
	}
	first, err := mine.RegisterValidator(t.Context(), "small", rule(10))
	require.NoError(t, err)
	require.Equal(t, 1, first.Version)
	require.False(t, first.Replaced)
	others, err := other.RegisterValidator(t.Context(), "small", rule(1000))
	require.NoError(t, err)
	require.False(t, others.Replaced, "the validator of another subject is not replaced")
	for n := range 2 {
		ofAll, err := admin.RegisterValidator(t.Context(), "small", rule(20))
		require.NoError(t, err)
		require.Equal(t, n+1, ofAll.Version)
		require.Equal(t, n > 0, ofAll.Replaced)
	}
	_, err = mine.RegisterValidator(t.Context(), "small", rule(1000))
	require.ErrorIs(t, err, aureus.ErrConflict, "a service cannot replace a validator of the tenant")
	_, err = admin.RegisterValidator(t.Context(), "small", map[string]any{"type": "max_size", "parameters": map[string]any{"max": -1}})
	require.ErrorIs(t, err, aureus.ErrInvalid)
	refused, _ := errors.AsType[*aureus.Error](err)
	require.Contains(t, mustMarshal(t, refused.Details), `"/config/parameters/max"`)

	key := newKey(t, srv, controlplane.RoleService, "mine")
	got := raw{method: "GET", path: "/api/v1/crv/validators/small", key: key}.do(t, srv)
	require.Equal(t, 200, got.status)
	body := got.json(t)
	require.Equal(t, got.header.Get("ETag"), body["etag"])
	require.Equal(t, "root", body["registered_by"])
	require.JSONEq(t, mustMarshal(t, rule(20)), mustMarshal(t, body["config"]), "a configuration that does not compile leaves the old version in force")
	for _, id := range []string{"a b", "ä", "z%", "z?x"} {
		_, err = mine.RegisterValidator(t.Context(), id, rule(1))
		require.NoError(t, err)
	}
	var ids []string
	for path := "/api/v1/crv/validators?limit=2"; path != ""; {
		page := raw{method: "GET", path: path, key: key}.do(t, srv)
		require.Equal(t, 200, page.status, page.body)
		ids = append(ids, validatorIDs(t, page.body)...)
		path = nextPath(page)
	}
	require.Equal(t, []string{"a b", "small", "z%", "z?x", "ä"}, ids)
	_ = time.Now
}

func TestSecrets_InRequests_AreNeitherShownNorStored(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "aureus.db")
	srv := open(t, func(c *controlplane.Config) { c.DB = file })
	const hidden = "hunter2-very-secret"
	request := transfer(aureus.TierHigh, 500)
	request.Arguments = map[string]any{
		"amount": 500, "password": hidden, "note": "visible",
		"accounts": []any{map[string]any{"apiKey": hidden, "name": "a"}, map[string]any{"Private-Key": hidden}},
		"auth":     map[string]any{"user": "u", "pin": hidden},
	}
	request.Action.Metadata = map[string]any{"accessToken": hidden, "owner": "ops"}
	request.Action.RequiredPermissions = []aureus.Permission{{Action: "write", Resource: "ledger", Conditions: map[string]any{"client_secret": hidden}}}
	request.Principal.Permissions = request.Action.RequiredPermissions
	request.HTTP = &aureus.HTTPCall{
		Method: "POST", Host: "bank", Path: "/t", Query: "a=1&access_token=" + hidden + "&b=2", ContentType: "application/json",
		Headers: map[string][]string{"Authorization": {"Bearer " + hidden}, "X-Trace": {"t"}},
		Body:    aureus.Body(`{"amount":500,"credentials":{"x":"` + hidden + `"}}`),
	}
	decision, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	shown, err := srv.Operator("olga").Approval(t.Context(), decision.Approval.ID)
	require.NoError(t, err)
	require.Equal(t, []string{
		"/action/metadata/accessToken", "/action/required_permissions/0/conditions/client_secret",
		"/arguments/accounts/0/apiKey", "/arguments/accounts/1/Private-Key", "/arguments/auth/pin", "/arguments/password",
		"/http/body/credentials/x", "/http/headers/Authorization", "/http/query/access_token",
		"/principal/permissions/0/conditions/client_secret",
	}, shown.Redacted)
	text := mustMarshal(t, shown)
	require.NotContains(t, text, hidden)
	for _, visible := range []string{`"visible"`, `"ops"`, `a=1&access_token=[REDACTED length:19 digest:`, `]&b=2`, `"user":"u"`, `"t"`, `500`} {
		require.Contains(t, text, visible)
	}
	require.Equal(t, decision.Digest, shown.ActionDigest)

	_, err = srv.Operator("olga").Approve(t.Context(), shown.ID, shown.ActionDigest, "")
	require.NoError(t, err)
	passed, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.Equal(t, aureus.Allow, passed.Effect, "the digest covers the original request, with its secrets")
	request.Arguments.(map[string]any)["password"] = "another"
	changed, err := srv.Client().Decide(t.Context(), request)
	require.NoError(t, err)
	require.NotEqual(t, aureus.Allow, changed.Effect)

	files, err := filepath.Glob(file + "*")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 2)
	for _, name := range files {
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(content), hidden, name)
	}
}
