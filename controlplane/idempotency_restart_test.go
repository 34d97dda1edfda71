package controlplane_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

// restarted is a server that the test closes and opens again with the same files.
type restarted struct {
	*controlplane.Server

	config controlplane.Config
}

func openRestarted(t *testing.T, change ...func(*controlplane.Config)) *restarted {
	t.Helper()
	r := &restarted{config: controlplane.Config{DB: filepath.Join(t.TempDir(), "aureus.db"), Logger: slog.New(slog.NewTextHandler(testWriter{t}, nil))}}
	for _, c := range change {
		c(&r.config)
	}
	r.open(t)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func (r *restarted) open(t *testing.T) {
	t.Helper()
	srv, err := controlplane.Open(t.Context(), r.config)
	require.NoError(t, err)
	r.Server = srv
}

func (r *restarted) restart(t *testing.T) {
	t.Helper()
	require.NoError(t, r.Close())
	r.open(t)
}

const (
	askApproval = `{"principal":{"id":"agent","type":"agent","permissions":[]},"action":{"id":"wipe","name":"Wipe","risk_tier":"high","required_permissions":[]},"reason":"cleaning up"}`
	aValidator  = `{"validator_id":"small","config":{"type":"max_size","parameters":{"max":10}}}`
	anEvent     = `{"type":"custom","timestamp":"2026-03-01T00:00:00Z","data":{}}`
)

// A stored response is replayed after a restart.
func TestReplay_AfterRestart_GivesTheStoredResponse(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	key, other := newKey(t, srv.Server, controlplane.RoleService, "svc"), newKey(t, srv.Server, controlplane.RoleService, "other")
	elsewhere := newKey(t, srv.Server, controlplane.RoleService, "svc", func(k *controlplane.Key) { k.Tenant = "elsewhere" })
	rows := map[string]struct{ path, body, another string }{
		"an approval is requested":  {"/api/v1/policy/approval", askApproval, strings.Replace(askApproval, "wipe", "drop", 1)},
		"a validator is registered": {"/api/v1/crv/validators", aValidator, strings.Replace(aValidator, "10", "11", 1)},
		"an event is reported":      {"/api/v1/observability/events", anEvent, strings.Replace(anEvent, "custom", "rollback", 1)},
		"a batch is reported":       {"/api/v1/observability/events/batch", "[" + anEvent + "]", "[]"},
	}
	first := map[string]answer{}
	for name, row := range rows {
		first[name] = raw{path: row.path, body: row.body, key: key, header: keyed("k")}.do(t, srv)
		require.Equal(t, 200, first[name].status, first[name].body)
	}
	srv.restart(t)
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				again := raw{path: row.path, body: row.body, key: key, header: keyed("k")}.do(t, srv)
				require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
				require.Equal(t, first[name].status, again.status)
				require.Equal(t, first[name].body, again.body)
				for _, header := range []string{"Content-Type", "ETag", "Link"} {
					require.Equal(t, first[name].header.Values(header), again.header.Values(header))
				}
			}
			raw{path: row.path, body: row.another, key: key, header: keyed("k")}.do(t, srv).refusal(t, 422, "IDEMPOTENCY_KEY_REUSED")
			for who, q := range map[string]raw{
				"another key of the tenant's": {key: other, header: keyed("k")},
				"another tenant's":            {key: elsewhere, header: keyed("k")},
				"another text":                {key: key, header: keyed("K")},
				"no key":                      {key: key},
			} {
				q.path, q.body = row.path, row.body
				require.Empty(t, q.do(t, srv).header.Get("Idempotency-Replayed"), who)
			}
		})
	}
	raw{path: "/api/v1/observability/events", body: anEvent}.do(t, srv).refusal(t, 401, "AUTHENTICATION_FAILED")
}

// Responses expire ten minutes after they were stored, whether or not the server ran in
// between.
func TestReplay_AfterRestart_Expires(t *testing.T) {
	t.Parallel()
	clock := newClock()
	srv := openRestarted(t, at(clock))
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	report := func() string {
		a := raw{path: "/api/v1/observability/events", body: anEvent, key: key, header: keyed("k")}.do(t, srv)
		require.Equal(t, 200, a.status)
		return a.header.Get("Idempotency-Replayed")
	}
	require.Empty(t, report())
	clock.Advance(9 * time.Minute)
	srv.restart(t)
	require.Equal(t, "true", report())
	clock.Advance(59 * time.Second)
	srv.restart(t)
	require.Equal(t, "true", report(), "a replay does not extend the lifetime")
	clock.Advance(time.Second)
	require.Empty(t, report())
	clock.Advance(9 * time.Minute)
	srv.restart(t)
	require.Equal(t, "true", report(), "the response that replaced it is stored in turn")
	clock.Advance(time.Minute)
	srv.restart(t)
	require.Empty(t, report())
}

// An expired response is deleted from the file even if no other one is stored.
func TestReplies_Expired_LeaveTheFile(t *testing.T) {
	t.Parallel()
	clock := newClock()
	file := ""
	srv := open(t, at(clock), func(c *controlplane.Config) { file = c.DB })
	key := newKey(t, srv, controlplane.RoleService, "svc")
	require.Equal(t, 200, raw{path: "/api/v1/observability/events", body: anEvent, key: key, header: keyed("k")}.do(t, srv).status)
	stored := func() (n int) {
		db, err := sql.Open("sqlite", file)
		require.NoError(t, err)
		require.NoError(t, db.QueryRowContext(t.Context(), "SELECT count(*) FROM replies").Scan(&n))
		require.NoError(t, db.Close())
		return n
	}
	clock.Advance(10 * time.Minute)
	controlplane.PruneReplies(t.Context(), srv)
	require.Equal(t, 1, stored())
	clock.Advance(time.Millisecond)
	controlplane.PruneReplies(t.Context(), srv)
	require.Zero(t, stored())
}

// An operator approves, does not receive the response, and approves again after a
// restart.
func TestReplay_DecidedApprovalAfterRestart_IsDecidedOnce(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	service, olga := newKey(t, srv.Server, controlplane.RoleService, "svc"), newKey(t, srv.Server, controlplane.RoleOperator, "olga")
	ticket := raw{path: "/api/v1/policy/approval", body: askApproval, key: service}.do(t, srv).json(t)
	approvals, err := aureus.Collect(srv.Operator("auditor").Approvals(t.Context(), aureus.ApprovalQuery{}))
	require.NoError(t, err)
	approve := raw{
		path: "/api/v1/policy/approvals/" + ticket["approval_token"].(string) + "/approve",
		body: `{"action_digest":"` + approvals[0].ActionDigest.String() + `"}`, key: olga,
	}
	approve.header = keyed("yes")
	first := approve.do(t, srv)
	require.Equal(t, 200, first.status, first.body)
	srv.restart(t)
	require.Equal(t, first.body, approve.do(t, srv).body)
	approve.header = keyed("yes again")
	require.Equal(t, 409, approve.do(t, srv).status, "without the stored response it is a second verdict")
}

// The files contain no Idempotency-Key, no request body, and no response that quotes
// one.
func TestReplay_KeysAndBodies_AreNotInTheFiles(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	schema := `{"validator_id":"iban","config":{"type":"json_schema","parameters":{"schema":{"properties":{"iban":{"const":"none"}}}}}}`
	require.Equal(t, 200, raw{path: "/api/v1/crv/validators", body: schema, key: key, header: keyed("order-4711-of-jane")}.do(t, srv).status)
	judge := raw{
		path: "/api/v1/crv/validate", key: key, header: keyed("order-4712-of-jane"),
		body: `{"commit":{"id":"c","data":{"iban":"DE02-of-jane"}},"gate_config":{"name":"g","validators":["iban"],"block_on_failure":true}}`,
	}
	judged := judge.do(t, srv)
	require.Equal(t, 200, judged.status, judged.body)
	require.Contains(t, judged.body, `"validation_results":[`)
	require.Equal(t, judged.body, judge.do(t, srv).body)
	require.Equal(t, "true", judge.do(t, srv).header.Get("Idempotency-Replayed"), "it is replayed from memory")

	files, err := filepath.Glob(filepath.Join(filepath.Dir(srv.config.DB), "*"))
	require.NoError(t, err)
	found := false
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, secret := range []string{"of-jane", `"validation_results":[`} {
			require.False(t, bytes.Contains(content, []byte(secret)), "%s in %s", secret, file) // the file is too long to be printed
		}
		found = found || bytes.Contains(content, []byte(`"registered":true`))
	}
	require.True(t, found, "the other response is in the files")
	srv.restart(t)
	require.Empty(t, judge.do(t, srv).header.Get("Idempotency-Replayed"))
}

// If a response cannot be stored, the change has still happened: the response is sent,
// and replayed until the server closes.
func TestReplay_StoreCannotWrite_ResponseIsStillSent(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	srv := openRestarted(t, func(c *controlplane.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	ask := raw{path: "/api/v1/policy/approval", body: askApproval, key: key, header: keyed("my-secret-key")}

	execute(t, srv.config.DB, "CREATE TRIGGER broken BEFORE INSERT ON replies BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
	first := ask.do(t, srv)
	require.Equal(t, 200, first.status, first.body)
	require.Contains(t, log.String(), "after a restart the request would be served again")
	require.Contains(t, log.String(), first.header.Get("X-Request-Id"))
	require.NotContains(t, log.String(), "my-secret-key")
	require.NotContains(t, log.String(), key)
	require.NotContains(t, log.String(), "cleaning up")
	again := ask.do(t, srv)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, first.body, again.body)

	execute(t, srv.config.DB, "DROP TRIGGER broken")
	second := ask
	second.header = keyed("another")
	require.Equal(t, 200, second.do(t, srv).status)
	srv.restart(t)
	require.Empty(t, ask.do(t, srv).header.Get("Idempotency-Replayed"), "a response that was not stored is lost at the restart")
	require.Equal(t, "true", second.do(t, srv).header.Get("Idempotency-Replayed"), "storing works again without a restart")
}

// A file whose stored responses cannot be read is not served, because requests could
// then take effect twice.
func TestReplay_DamagedResponse_IsNotReplayed(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	require.Equal(t, 200, raw{path: "/api/v1/observability/events", body: anEvent, key: key, header: keyed("k")}.do(t, srv).status)
	require.NoError(t, srv.Close())
	execute(t, srv.config.DB, "UPDATE replies SET request = x'00'")
	_, err := controlplane.Open(t.Context(), srv.config)
	require.ErrorContains(t, err, "Idempotency-Key")
	execute(t, srv.config.DB, "DELETE FROM replies")
	srv.open(t)
}

// After a restart, the responses to many concurrent requests, some with the same key,
// are all replayed.
func TestReplay_ManyResponsesAfterRestart_AreReplayed(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	report := func(n int) answer {
		return raw{path: "/api/v1/observability/events", key: key, header: keyed(fmt.Sprint("k", n)), body: strings.Replace(anEvent, "{}", fmt.Sprintf(`{"n":%d}`, n), 1)}.do(t, srv)
	}
	var callers sync.WaitGroup
	for caller := range 8 {
		callers.Go(func() {
			for n := range 25 {
				if a := report(n + caller%4*25); a.status != http.StatusOK && a.status != http.StatusConflict {
					t.Error(a.body)
				}
			}
		})
	}
	callers.Wait()
	srv.restart(t)
	for n := range 100 {
		require.Equal(t, "true", report(n).header.Get("Idempotency-Replayed"))
	}
	events, err := aureus.Collect(srv.Client().Events(context.WithoutCancel(t.Context()), aureus.EventQuery{}))
	require.NoError(t, err)
	require.Len(t, events, 100)
}

// A backup contains the stored responses, and never one without its change.
func TestBackup_StoredResponses_AreReplayed(t *testing.T) {
	t.Parallel()
	srv := openRestarted(t)
	key := newKey(t, srv.Server, controlplane.RoleService, "svc")
	ask := func(n int) raw {
		name := fmt.Sprint("agent-", n)
		return raw{path: "/api/v1/policy/approval", body: strings.Replace(askApproval, `"agent"`, `"`+name+`"`, 1), key: key, header: keyed(name)}
	}
	before := ask(0).do(t, srv)
	require.Equal(t, 200, before.status, before.body)
	var asked atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var writer sync.WaitGroup
	writer.Go(func() {
		for ctx.Err() == nil {
			n := int(asked.Add(1))
			if a := ask(n).do(t, srv); a.status != http.StatusOK {
				t.Error(a.body)
			}
		}
	})
	to := filepath.Join(t.TempDir(), "backup")
	err := controlplane.Backup(t.Context(), srv.config.DB, to)
	stop()
	writer.Wait()
	require.NoError(t, err)

	restored := open(t, func(c *controlplane.Config) { c.DB = filepath.Join(to, "aureus.db") })
	again := ask(0).do(t, restored)
	require.Equal(t, "true", again.header.Get("Idempotency-Replayed"))
	require.Equal(t, before.body, again.body)
	for n := range int(asked.Load()) {
		again := ask(n).do(t, restored)
		require.Equal(t, 200, again.status, again.body)
		id, _ := again.json(t)["approval_token"].(string)
		approval, err := restored.Operator("auditor").Approval(t.Context(), id)
		require.NoError(t, err, "the response to request %d of %d names an approval that does not exist", n, asked.Load())
		require.Equal(t, fmt.Sprint("agent-", n), approval.Principal.ID)
	}
}

// BenchmarkIdempotencyKey reports one event with and without a key: the difference is
// the cost of storing the response.
func BenchmarkIdempotencyKey(b *testing.B) {
	srv, err := controlplane.Open(b.Context(), controlplane.Config{DB: b.TempDir() + "/aureus.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = srv.Close() }()
	_, secret, err := srv.Keys().Add(b.Context(), "bench", controlplane.Key{Subject: "svc", Role: controlplane.RoleService})
	if err != nil {
		b.Fatal(err)
	}
	var n atomic.Int64
	report := func(b *testing.B, keyed bool) {
		b.Helper()
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://localhost/api/v1/observability/events", strings.NewReader(anEvent))
		if err != nil {
			b.Error(err)
			return
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		if keyed {
			r.Header.Set("Idempotency-Key", strconv.FormatInt(n.Add(1), 10))
		}
		w := httptest.NewRecorder()
		srv.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Error(w.Body)
		}
	}
	for name, keyed := range map[string]bool{"without": false, "with": true} {
		b.Run(name+", one at a time", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				report(b, keyed)
			}
		})
		b.Run(name+", 64 at once", func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(32)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					report(b, keyed)
				}
			})
		})
	}
}
