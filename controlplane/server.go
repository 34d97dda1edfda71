package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/audit"
	"github.com/farmountain/aureus-go/controlplane/internal/bundles"
	"github.com/farmountain/aureus-go/controlplane/internal/console"
	"github.com/farmountain/aureus-go/controlplane/internal/contract"
	"github.com/farmountain/aureus-go/controlplane/internal/crv"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/observe"
	"github.com/farmountain/aureus-go/controlplane/internal/policy"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/runs"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	telemetrysqlite "github.com/farmountain/aureus-go/controlplane/internal/telemetry/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/webhooks"
	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/inputs"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Server is a control plane: an [http.Handler] for the paths described in docs/api.md.
// Make one with [Open] and call Close after use. It is safe for concurrent use.
type Server struct {
	config Config
	log    *slog.Logger
	web    *web.Kernel

	db     storage.Store
	folder string // removed by Close; empty unless the server is ephemeral

	approvals *approvals.Service
	policy    *policy.Service
	bundles   *bundles.Service
	audit     *audit.Service
	retention audit.Retention
	evidence  audit.Checkpoints
	webhooks  *webhooks.Service

	checkpointFile *audit.CheckpointFile // nil without Config.CheckpointFile
	crv            *crv.Service
	observe        *observe.Service
	runs           *runs.Service
	console        *console.Service // nil with Config.NoConsole

	clients  clientSecrets
	pruning  sync.WaitGroup // the goroutines that delete rows past their retention, make checkpoints and deliver webhooks
	governor *governor.Governor

	longRead time.Duration // the limit of one long read of a store
}

// Open opens the stores and returns a server that is ready for requests. ctx limits
// Open only, not the server.
//
// Only one process can serve the files: if another server has them open, Open returns
// an error.
func Open(ctx context.Context, config Config) (_ *Server, err error) {
	if err := config.complete(); err != nil {
		return nil, err
	}
	s := &Server{config: config, log: config.Logger, clients: clientSecrets{byKeyID: map[string]string{}}, governor: config.governor(runtime.GOMAXPROCS(0))}
	s.longRead = web.MaxLongRead
	s.observe = &observe.Service{Now: config.Now, Log: s.log, Streams: s.governor.Streams.InUse}
	defer func() {
		if err != nil {
			_ = s.Close() // the first error matters more
		}
	}()
	control, telemetryFile, folder, err := config.files()
	if err != nil {
		return nil, err
	}
	s.folder = folder
	s.webhooks = &webhooks.Service{Config: config.webhooks(), Now: config.Now, Log: s.log}
	db, err := sqlite.Open(ctx, control, storage.Options{
		SigningKeyFile: config.SigningKeyFile, OwnKey: s.isProcessKey, OnAudit: s.audited, LetIn: s.longReads(s.governor.Audit),
		Announce: &webhooks.Announcer{Config: s.webhooks.Config},
	})
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	s.db, s.observe.Store = db, db
	if config.wrapStore != nil {
		s.db = config.wrapStore(db)
		s.observe.Store = s.db
	}
	reports, err := telemetrysqlite.Open(ctx, telemetryFile, telemetry.Options{Clock: config.Now, OnEvents: s.observe.Notify, LetIn: s.longReads(s.governor.Reads)})
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	s.observe.Telemetry = reports
	identity, err := s.db.Identity(ctx)
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	s.observe.Files = identity + s.observe.Telemetry.Identity()
	s.web = web.New(web.Config{
		Log: s.log, Now: config.Now, Dev: config.Dev, Tenant: config.Tenant, MaxBody: config.MaxBody, MaxBatchBody: config.MaxBatchBody,
		Governor: s.governor, Keys: s.db, Replies: s.db,
	})
	s.observe.Life, s.observe.Identify, s.observe.OpenRequests = s.web.Life(), s.web.Identify, s.web.OpenRequests
	if err := s.web.LoadReplies(ctx); err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	if config.OperatorKey != "" {
		s.web.AddKey(config.OperatorKey, web.Caller{KeyID: devOperatorKeyID, Subject: "operator", Tenant: config.Tenant, Role: web.Operator})
	}
	report := func(ctx context.Context, tenant string, event aureus.TelemetryEvent) error {
		return s.observe.Report(ctx, tenant, event)
	}
	recorded, err := inputs.NewAllowList(config.RecordInputs)
	if err != nil { // cannot happen: complete has checked it
		return nil, fmt.Errorf("controlplane: RecordInputs: %w", err)
	}
	decide := rules.Rules{LenientPermissions: config.LenientPermissions, Volatile: config.Volatile, RecordInputs: config.RecordInputs, Now: config.Now, Policies: &rules.Policies{Store: s.db, Keys: config.PolicyKeys}}
	s.bundles = &bundles.Service{Store: s.db, Now: config.Now, Rules: decide}
	if err := s.putPolicy(ctx); err != nil {
		return nil, err
	}
	if err := s.loadPolicies(ctx, decide); err != nil {
		return nil, err
	}
	s.approvals = &approvals.Service{
		Store: s.db, Now: config.Now, Rules: decide, Life: approval.Life{Decide: config.ApprovalLifetime, Use: config.ApprovalUseTime},
		Changed: func() { s.runs.Wake() }, // a workflow run may wait for the approval
	}
	s.policy = &policy.Service{Store: s.db, Now: config.Now, Rules: decide, Approvals: s.approvals, Inputs: recorded, Report: report}
	s.audit = &audit.Service{Store: s.db, Now: config.Now, Inputs: recorded}
	s.retention = audit.Retention{Store: s.db, Now: config.Now, Log: s.log, Keep: config.Retention, KeepInputs: config.InputRetention}
	if config.CheckpointFile != "" {
		s.checkpointFile = &audit.CheckpointFile{Path: config.CheckpointFile, Log: s.log}
		if err := s.checkpointFile.Open(); err != nil {
			return nil, fmt.Errorf("controlplane: CheckpointFile: %w", err)
		}
		s.evidence.Made = s.checkpointFile.Append
	}
	s.evidence.Store, s.evidence.Now, s.evidence.Log = s.db, config.Now, s.log
	s.webhooks.Store = s.db
	s.runs = runs.New(runs.Config{
		Log: s.log, Now: config.Now, Store: s.db, Governor: s.governor, Policy: s.policy, Tools: forRuns(config.tools()), Quota: config.runQuota(),
		Life: s.web.Life(), Report: report,
	})
	s.crv, err = crv.New(ctx, crv.Config{
		Store: s.db, Now: config.Now, Log: s.log, Tenant: config.Tenant, MaxMemory: config.MaxMemory, SetUp: config.Validators, Report: report,
	})
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	if !config.NoConsole {
		s.console = &console.Service{
			Now: config.Now, Store: s.db, Rules: decide, Bundles: s.bundles, Policy: s.policy, Keys: s.web,
			Approvals: s.approvals, Runs: s.runs, Audit: s.audit,
			Watch: func(tenant string) console.Changes { return s.observe.Watch(tenant) },
		}
	}
	s.web.Handle(s.routes()...)
	if err := s.runs.Start(ctx); err != nil {
		return nil, err
	}
	s.pruning.Go(func() { s.retention.Run(s.web.Life()) })
	s.pruning.Go(func() { s.evidence.Run(s.web.Life()) })
	s.pruning.Go(func() { s.webhooks.Run(s.web.Life()) })
	s.pruning.Go(func() { s.web.KeepPruningReplies(s.web.Life()) })
	return s, nil
}

// putPolicy puts the bundle of the configuration in force, unless a higher version is.
func (s *Server) putPolicy(ctx context.Context) error {
	if len(s.config.Policy) == 0 {
		return nil
	}
	start, err := s.bundles.PutAtStart(ctx, storage.Bundle{Tenant: s.config.Tenant, PutBy: "configuration", KeyID: inProcessKeyID}, s.config.Policy, s.config.PolicySignature)
	if err != nil {
		return fmt.Errorf("controlplane: Policy: %w", err)
	}
	if !start.InUse {
		s.log.WarnContext(ctx, "the policy bundle of the configuration is not used: a higher version is in force", slog.String("bundle", start.Bundle))
		return nil
	}
	s.log.InfoContext(ctx, "the policy bundle of the configuration is in force", slog.String("bundle", start.Bundle))
	for _, note := range start.Notes {
		s.log.InfoContext(ctx, "policy bundle: "+note, slog.String("bundle", start.Bundle))
	}
	return nil
}

// loadPolicies compiles the policy bundles of all tenants. A bundle that cannot be used is
// logged, and nothing is decided for its tenant until another one is stored.
func (s *Server) loadPolicies(ctx context.Context, decide rules.Rules) error {
	unusable, err := decide.Load(ctx)
	if err != nil {
		return fmt.Errorf("controlplane: %w", err)
	}
	if unusable != nil {
		s.log.ErrorContext(ctx, "a policy bundle cannot be used; requests of its tenant are not decided until another one is stored", slog.Any("error", unusable))
	}
	return nil
}

func (s *Server) routes() []web.Route {
	routes := slices.Concat(s.policy.Routes(), s.bundles.Routes(), s.approvals.Routes(), s.audit.Routes(), s.crv.Routes(),
		s.observe.Routes(), s.runs.Routes(), contract.Routes())
	if s.console != nil {
		routes = append(routes, s.console.Routes()...)
	}
	return routes
}

// ServeHTTP answers one request. A zero Server answers with 500.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s == nil || s.web == nil {
		http.Error(w, `{"error":"the server was not made with Open","code":"`+wire.CodeInternal+`","request_id":""}`, http.StatusInternalServerError)
		return
	}
	s.web.ServeHTTP(w, r)
}

// audited is called after a commit with new entries of a tenant's audit log.
func (s *Server) audited(tenant string, entries int) {
	s.observe.Notify(tenant)
	s.evidence.Notify(tenant, entries)
	s.webhooks.Notify(tenant)
}

// longReads returns a function that waits until a read of the tenant may begin, and
// limits its duration. Each tenant has a limited number of long reads at a time.
func (s *Server) longReads(pool *governor.Pool) func(context.Context, string) (context.Context, func(), error) {
	return func(ctx context.Context, tenant string) (context.Context, func(), error) {
		within, leave, err := governor.Read(ctx, pool, tenant, s.longRead)
		return within, leave, web.CapacityError(err)
	}
}

// Keys returns the API keys of the server, of all tenants.
func (s *Server) Keys() *Keys { return &Keys{db: s.db, now: s.config.Now, revoked: s.runs.Wake} }

// EndStreams ends the event streams of all clients and refuses new ones with 503, while all
// other requests are answered as before. Streams do not end by themselves, so
// [http.Server.Shutdown] would wait for them; make it end them:
//
//	httpServer.RegisterOnShutdown(server.EndStreams)
//
// It does not wait until they have ended. It may be called repeatedly, also after Close.
func (s *Server) EndStreams() {
	if s != nil && s.observe != nil {
		s.observe.EndStreams()
	}
}

// Close cancels the requests being answered and the running workflows, waits for them,
// closes the stores and, if the server is ephemeral, removes them. Call
// [http.Server.Shutdown] first to let requests finish, with [Server.EndStreams] registered.
// Close may be called repeatedly.
func (s *Server) Close() error {
	first := s.web == nil || s.web.Close()
	s.pruning.Wait()
	s.runs.Close()
	s.observe.Wait()
	if !first {
		return nil
	}
	if s.evidence.Store != nil {
		s.evidence.Last()
	}
	var errs []error
	if s.checkpointFile != nil {
		errs = append(errs, s.checkpointFile.Close())
	}
	if s.observe.Telemetry != nil {
		errs = append(errs, s.observe.Telemetry.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.folder != "" {
		errs = append(errs, os.RemoveAll(s.folder))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("controlplane: closing: %w", err)
	}
	return nil
}
