package runs

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/approval"
)

// The ids of keys that are not stored, like those of clients in the same process.
const (
	ownKeyID      = "key_own"
	operatorKeyID = "key_operator"
)

// svc is the caller of the tests.
func svc() web.Caller {
	return web.Caller{KeyID: ownKeyID, Subject: "svc", Tenant: "default", Role: web.Service, SpeaksFor: []string{web.Everyone}}
}

// openService opens a service on a file of its own, with the policy and the
// approvals of the control plane, and starts it.
func openService(t *testing.T, tools map[string]Tool) *Service {
	t.Helper()
	s := newService(t, tools)
	require.NoError(t, s.Start(t.Context()))
	return s
}

// newService is like openService, but does not start the service, so that no run
// continues by itself.
func newService(t *testing.T, tools map[string]Tool) *Service {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "aureus.db"), storage.Options{
		OwnKey: func(_, id string) bool { return id == ownKeyID || id == operatorKeyID },
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	s, _ := serviceOn(t, db, tools)
	return s
}

// serviceOn is like newService, but uses an open store. end ends the life of the
// service.
func serviceOn(t *testing.T, db storage.Store, tools map[string]Tool) (s *Service, end context.CancelFunc) {
	t.Helper()
	decide := rules.Rules{Now: time.Now, Policies: &rules.Policies{Store: db}}
	asked := &approvals.Service{
		Store: db, Now: time.Now, Rules: decide, Life: approval.Life{Decide: approval.DefaultDecide, Use: approval.DefaultUse}, Changed: func() {},
	}
	report := func(context.Context, string, aureus.TelemetryEvent) error { return nil }
	life, end := context.WithCancel(context.WithoutCancel(t.Context()))
	s = New(Config{
		Log: slog.New(slog.DiscardHandler), Now: time.Now, Store: db, Tools: tools, Life: life, Report: report,
		Policy:   &policy.Service{Store: db, Now: time.Now, Rules: decide, Approvals: asked, Report: report},
		Quota:    storage.RunQuota{Subject: 100, Bytes: 1 << 30, Tenant: 100, Beyond: 1},
		Governor: governor.New(governor.Limits{Requests: 100, Streams: 10, Runs: 100, Parked: 100, Bytes: 1 << 30, LargestBody: 1 << 20, Processors: 2}),
	})
	t.Cleanup(func() {
		end()
		s.Close()
	})
	return s, end
}

// serve sends a request of svc to the routes and returns the response.
func serve(t *testing.T, s *Service, method, path string, routes ...web.Route) *httptest.ResponseRecorder {
	t.Helper()
	const secret = "a secret of the tests"
	kernel := web.New(web.Config{Log: s.config.Log, Now: s.config.Now, MaxBody: 1 << 20, MaxBatchBody: 1 << 20, Governor: s.config.Governor})
	kernel.AddKey(secret, svc())
	kernel.Handle(routes...)
	r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	r.Header.Set("Authorization", "Bearer "+secret)
	w := httptest.NewRecorder()
	kernel.ServeHTTP(w, r)
	kernel.Close()
	return w
}

// runOnce runs a workflow until it ends or waits, and returns the run.
func runOnce(t *testing.T, s *Service, spec aureus.WorkflowSpec) *run {
	t.Helper()
	live, err := s.startOrJoin(t.Context(), svc(), request{Workflow: spec})
	require.NoError(t, err)
	<-live.done
	require.NoError(t, live.err)
	return live.run
}

// pendingApproval returns the id of the approval that the only waiting task waits
// for.
func pendingApproval(t *testing.T, r *run) string {
	t.Helper()
	waits := r.state.Waits()
	require.Len(t, waits, 1)
	for _, id := range waits {
		return id
	}
	return ""
}

func nop(context.Context, ToolCall) (any, error) { return nil, nil }
