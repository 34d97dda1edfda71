package controlplane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// maxRuns bounds the runs under way in this process, and maxResult what a task
// may give back, in bytes of JSON.
const (
	maxRuns   = 100
	maxResult = 1 << 20
)

// runs are the runs under way, by tenant and workflow. A run has its own
// goroutine, which ends with the run or with the server.
type runs struct {
	mu   sync.Mutex
	open map[runKey]*liveRun
}

// finish waits for the runs, once the server's life has ended: after that
// nothing is launched.
func (r *runs) finish() {
	r.mu.Lock()
	open := slices.Collect(maps.Values(r.open))
	r.mu.Unlock()
	for _, live := range open {
		<-live.done
	}
}

type runKey struct{ tenant, workflow string }

// liveRun is a run under way. Its fields do not change but for err, which is
// set before done is closed, and for those behind mu.
type liveRun struct {
	id      string
	subject string // who started it
	request runRequest
	cancel  context.CancelCauseFunc
	done    chan struct{}
	err     error

	mu      sync.Mutex
	failure error         // why the store does not take the run's state now
	failing chan struct{} // closed while failure is not nil
}

// fails tells those who wait that the run does not go on until the store works.
func (l *liveRun) fails(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		close(l.failing)
	}
	l.failure = err
}

func (l *liveRun) works() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		l.failure, l.failing = nil, make(chan struct{})
	}
}

// trouble is closed, and failure not nil, while the store does not work.
func (l *liveRun) trouble() (closed <-chan struct{}, failure error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failing, l.failure
}

// runRequest asks for a workflow to be run.
type runRequest struct {
	Workflow      aureus.WorkflowSpec `json:"workflow"`
	Context       map[string]any      `json:"context,omitzero"`
	CorrelationID string              `json:"correlation_id,omitzero"`
}

// runCaller is what is kept of the caller: enough to go on in its name after a
// restart.
type runCaller struct {
	KeyID     string   `json:"key_id"`
	Subject   string   `json:"subject"`
	Role      string   `json:"role"`
	SpeaksFor []string `json:"speaks_for,omitzero"`
}

func (c caller) kept() runCaller {
	return runCaller{KeyID: c.keyID, Subject: c.subject, Role: string(c.role), SpeaksFor: c.speaksFor}
}

func (c runCaller) in(tenant string) caller {
	return caller{keyID: c.KeyID, subject: c.Subject, tenant: tenant, role: Role(c.Role), speaksFor: c.SpeaksFor}
}

// resumeRuns goes on with the runs that were under way when the process ended.
func (s *Server) resumeRuns(ctx context.Context) error {
	open, err := s.db.OpenRuns(ctx)
	if err != nil {
		return fmt.Errorf("controlplane: reading the workflows under way: %w", err)
	}
	for _, stored := range open {
		host, state, err := s.hostOf(stored)
		if err != nil {
			s.log.ErrorContext(ctx, "a workflow cannot go on", slog.String("run_id", stored.ID), slog.Any("error", err))
			continue
		}
		if state.Status != workflow.Running {
			continue // it waits for a person
		}
		if _, err := s.launch(host, state); err != nil {
			s.log.WarnContext(ctx, "a workflow does not go on yet", slog.String("run_id", stored.ID), slog.Any("error", err))
		}
	}
	return nil
}

// launch starts the goroutine of a run.
func (s *Server) launch(host *runHost, state *workflow.State) (*liveRun, error) {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if s.life.Err() != nil {
		return nil, problem(http.StatusServiceUnavailable, codeShuttingDown, "the server is stopping", withRetryAfter(time.Second))
	}
	if len(s.runs.open) >= maxRuns {
		return nil, errTooManyRuns()
	}
	ctx, cancel := context.WithCancelCause(s.life)
	live := &liveRun{id: host.stored.ID, subject: host.caller.subject, request: host.request, cancel: cancel, done: make(chan struct{}), failing: make(chan struct{})}
	host.live = live
	if s.runs.open == nil {
		s.runs.open = map[runKey]*liveRun{}
	}
	key := runKey{host.caller.tenant, host.request.Workflow.ID}
	s.runs.open[key] = live
	go func() { // ends with the run, or with the server's life
		defer close(live.done)
		defer cancel(nil)
		defer s.forget(key, live)
		defer func() {
			if p := recover(); p != nil {
				live.err = fmt.Errorf("the run panicked with a %T", p)
				s.log.ErrorContext(ctx, "a workflow broke off", slog.String("run_id", live.id), slog.Any("error", live.err))
			}
		}()
		live.err = host.run(ctx, state)
	}()
	return live, nil
}

func (s *Server) forget(key runKey, live *liveRun) {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if s.runs.open[key] == live {
		delete(s.runs.open, key)
	}
}

// roomForRun refuses a new run before it is kept.
func (s *Server) roomForRun() error {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	if len(s.runs.open) >= maxRuns {
		return errTooManyRuns()
	}
	return nil
}

func errTooManyRuns() error {
	return problem(http.StatusTooManyRequests, codeExhausted, fmt.Sprintf("%d workflows are under way", maxRuns), withRetryAfter(time.Second))
}

// copied is a deep copy of values that have a JSON form.
func copied(values map[string]any) (map[string]any, error) {
	text, err := strictjson.MarshalText(values)
	if err != nil {
		return nil, err
	}
	parsed, err := strictjson.Parse(text)
	same, _ := parsed.(map[string]any) // null is an empty map
	return same, err
}

func (s *Server) liveRun(tenant, id string) *liveRun {
	s.runs.mu.Lock()
	defer s.runs.mu.Unlock()
	return s.runs.open[runKey{tenant, id}]
}

// runHost is what one run runs on.
type runHost struct {
	server  *Server
	stored  store.Run
	caller  caller
	request runRequest
	live    *liveRun // once it is under way
}

var _ workflow.Host = (*runHost)(nil)

// How long a run waits before it tries the store again.
const (
	firstStoreWait = 100 * time.Millisecond
	mostStoreWait  = 10 * time.Second
)

// run runs the workflow to its end. While the store does not take its state, it
// tries again: what is done stays done in memory, and no further task begins
// before all of it is kept.
func (h *runHost) run(ctx context.Context, state *workflow.State) error {
	s := h.server
	for wait := firstStoreWait; ; wait = min(2*wait, mostStoreWait) {
		err := workflow.Run(ctx, s.life, &h.request.Workflow, state, h)
		if err == nil || s.life.Err() != nil {
			return err
		}
		s.log.ErrorContext(ctx, "a workflow cannot go on now", slog.String("run_id", h.stored.ID), slog.Any("error", err))
		if !errors.Is(err, store.ErrUnavailable) {
			return err
		}
		h.live.fails(err)
		if err := h.Sleep(s.life, wait); err != nil {
			return err
		}
	}
}

func (s *Server) hostOf(stored store.Run) (*runHost, *workflow.State, error) {
	var who runCaller
	host, state := &runHost{server: s, stored: stored}, &workflow.State{}
	if err := errors.Join(
		strictjson.Unmarshal([]byte(stored.Caller), &who),
		strictjson.Unmarshal([]byte(stored.Request), &host.request),
		strictjson.Unmarshal([]byte(stored.State), state),
	); err != nil {
		return nil, nil, fmt.Errorf("reading the run %s: %w", stored.ID, err)
	}
	host.caller = who.in(stored.Tenant)
	if state.Tasks == nil {
		state.Tasks = map[string]*workflow.TaskState{}
	}
	return host, state, nil
}

// Save implements [workflow.Host].
func (h *runHost) Save(ctx context.Context, state *workflow.State) error {
	text, err := strictjson.MarshalText(state)
	if err != nil {
		return err
	}
	err = h.server.db.Write(context.WithoutCancel(ctx), func(t *store.Tx) error {
		return t.SaveRun(h.caller.tenant, h.stored.ID, string(text), workflow.Ended(state.Status))
	})
	if err == nil {
		h.live.works()
	}
	return err
}

// Admit implements [workflow.Host]: the tool must be there and no riskier than
// the task says, and then the policy decides, as it does for evaluate.
func (h *runHost) Admit(ctx context.Context, call workflow.Call) (workflow.Admission, error) {
	task := call.Task
	tier, why := h.feasible(task)
	if why != "" {
		return workflow.Admission{Reason: why}, nil
	}
	request := h.question(call, tier)
	decision, err := h.server.decideAudited(context.WithoutCancel(ctx), h.caller, request)
	if err != nil {
		return workflow.Admission{}, err
	}
	if event, ok := guard.PolicyCheckEvent(request, decision); ok {
		event.Timestamp = aureus.TimestampOf(h.Now()) // after the step's start
		h.append(event)
	}
	switch {
	case decision.Effect == aureus.Allow:
		return workflow.Admission{Allowed: true}, nil
	case decision.Effect == aureus.RequireApproval && decision.Approval.ID != "":
		return workflow.Admission{Approval: &workflow.Approval{
			TaskID: task.ID, ApprovalToken: decision.Approval.ID, ExpiresAt: decision.Approval.ExpiresAt,
		}}, nil
	}
	return workflow.Admission{Reason: decision.Reason}, nil
}

// question is what the policy is asked about a task. What an approver sees and
// decides on is all that the tool is given, in this run, and how the task would
// be undone.
func (h *runHost) question(call workflow.Call, tier aureus.PolicyRiskTier) aureus.Request {
	task := call.Task
	arguments := map[string]any{
		"workflow_id": h.request.Workflow.ID, "run_id": h.stored.ID, "inputs": inputsOf(task.Inputs), "results": call.Results,
		"context": inputsOf(h.request.Context), "idempotency_key": h.idempotencyKey(task, ""),
	}
	if undo := task.CompensationAction; undo != nil {
		arguments["compensation_action"] = map[string]any{"tool": undo.Tool, "args": inputsOf(undo.Args)}
	}
	if task.SandboxConfig != nil && task.SandboxConfig.Enabled {
		arguments["simulated"] = true
	}
	permissions := task.RequiredPermissions
	if permissions == nil {
		permissions = []aureus.Permission{}
	}
	return aureus.Request{
		Principal: h.principal(),
		Action: aureus.Action{
			ID: task.ID, Name: task.Name, RiskTier: tier, RequiredPermissions: permissions,
			Intent: task.Intent, DataZone: task.DataZone, AllowedTools: task.AllowedTools,
		},
		Tool: task.ToolName, Arguments: arguments, WorkflowID: h.request.Workflow.ID, TaskID: task.ID,
	}
}

// principal is who the run acts for: the key's subject, or who the context names
// (SPEC 6.1, point 4). What it may do is claimed by the context, as evaluate's
// caller claims it.
func (h *runHost) principal() aureus.Principal {
	who := aureus.Principal{ID: h.caller.subject, Type: "service", Permissions: []aureus.Permission{}}
	if id, ok := h.request.Context["principal_id"].(string); ok && id != "" {
		who.ID, who.Type = id, "agent"
	}
	if claimed, ok := h.request.Context["principal_permissions"]; ok {
		who.Permissions, _ = permissionsOf(claimed) // checked before the run was kept
	}
	return who
}

func permissionsOf(claimed any) (list []aureus.Permission, err error) {
	text, err := strictjson.MarshalText(claimed)
	if err == nil {
		err = strictjson.Unmarshal(text, &list)
	}
	return list, err
}

var tiers = []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical}

func rank(tier aureus.PolicyRiskTier) int {
	for i, t := range tiers {
		if t == tier {
			return i
		}
	}
	return len(tiers) // unknown is above all
}

// feasible gives the tier of the task, or says why it cannot be run (SPEC 6.3).
func (h *runHost) feasible(task *aureus.TaskSpec) (tier aureus.PolicyRiskTier, why string) {
	tier = aureus.PolicyRiskTier(strings.ToLower(string(task.RiskTier)))
	if task.ToolName == "" {
		if tier == "" {
			tier = aureus.TierLow // nothing is run
		}
	} else {
		tool, ok := h.server.tools[task.ToolName]
		own := tool.tier()
		switch sandbox := task.SandboxConfig; {
		case !ok || tool.Run == nil:
			return "", fmt.Sprintf("there is no tool %.80q here", task.ToolName)
		case sandbox != nil && sandbox.Enabled && !simulated(sandbox):
			return "", fmt.Sprintf("a sandbox of type %s is not available", sandbox.Type)
		case simulated(sandbox) && tool.Simulate == nil:
			return "", fmt.Sprintf("the tool %.80q cannot be simulated", task.ToolName)
		case tier == "":
			tier = own
		case rank(own) > rank(tier):
			return "", fmt.Sprintf("the tool %.80q is of tier %s, above the task's %s", task.ToolName, own, tier)
		}
	}
	if undo := task.CompensationAction; undo != nil {
		if task.ToolName == "" {
			return "", "a task without a tool does nothing that could be undone"
		}
		tool, ok := h.server.tools[undo.Tool]
		switch {
		case !ok || tool.Run == nil:
			return "", fmt.Sprintf("there is no tool %.80q here to undo the task with", undo.Tool)
		case rank(tool.tier()) > rank(tier):
			return "", fmt.Sprintf("the tool %.80q that would undo the task is of tier %s, above the task's %s", undo.Tool, tool.tier(), tier)
		case len(task.AllowedTools) > 0 && !slices.Contains(task.AllowedTools, undo.Tool):
			return "", fmt.Sprintf("the tool %.80q that would undo the task is not allowed", undo.Tool)
		}
	}
	return tier, ""
}

func (t Tool) tier() aureus.PolicyRiskTier {
	if t.RiskTier == "" {
		return aureus.TierHigh
	}
	return t.RiskTier
}

// simulated reports whether a sandbox only simulates: those of the types mock
// and simulation, or of no type (SPEC 6.3).
func simulated(sandbox *aureus.SandboxConfig) bool {
	return sandbox != nil && sandbox.Enabled &&
		(sandbox.Type == "" || sandbox.Type == aureus.SandboxMock || sandbox.Type == aureus.SandboxSimulation)
}

// inputsOf are the inputs without those that are null, which the published
// client sends for what is unset.
func inputsOf(inputs map[string]any) map[string]any {
	kept := make(map[string]any, len(inputs))
	for name, value := range inputs {
		if value != nil {
			kept[name] = value
		}
	}
	return kept
}

// Execute implements [workflow.Host]. A task without a tool has nothing to do.
func (h *runHost) Execute(ctx context.Context, call workflow.Call) (any, error) {
	task := call.Task
	if task.ToolName == "" {
		return nil, nil
	}
	tool := h.server.tools[task.ToolName]
	run := tool.Run
	if simulated(task.SandboxConfig) {
		run = tool.Simulate
	}
	return h.call(ctx, run, ToolCall{
		TaskID: task.ID, Tool: task.ToolName, Attempt: call.Attempt, Inputs: inputsOf(task.Inputs), Results: call.Results,
		IdempotencyKey: h.idempotencyKey(task, ""),
	})
}

// Compensate implements [workflow.Host]. It was admitted with the task.
func (h *runHost) Compensate(ctx context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error {
	run := h.server.tools[action.Tool].Run
	if simulated(task.SandboxConfig) {
		run = h.server.tools[action.Tool].Simulate
	}
	_, err := h.call(ctx, run, ToolCall{
		TaskID: task.ID, Tool: action.Tool, Attempt: 1, Inputs: inputsOf(action.Args), Compensation: true,
		IdempotencyKey: h.idempotencyKey(task, ":compensation"),
	})
	return err
}

func (h *runHost) idempotencyKey(task *aureus.TaskSpec, suffix string) string {
	if task.IdempotencyKey != "" {
		return task.IdempotencyKey + suffix
	}
	return h.stored.ID + ":" + task.ID + suffix
}

func (h *runHost) call(ctx context.Context, run func(context.Context, ToolCall) (any, error), call ToolCall) (result any, err error) {
	if run == nil { // the tools are another process's now
		return nil, &workflow.Final{Reason: fmt.Sprintf("there is no tool %.80q here", call.Tool)}
	}
	call.WorkflowID, call.RunID = h.request.Workflow.ID, h.stored.ID
	call.CorrelationID = h.request.CorrelationID
	for given, values := range map[*map[string]any]map[string]any{
		&call.Inputs: call.Inputs, &call.Results: call.Results, &call.Context: h.request.Context,
	} { // copies: the tool may change them, and may be left behind while it does
		if *given, err = copied(values); err != nil {
			return nil, err
		}
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the tool panicked with a %T", p) // its value may hold a secret
		}
	}()
	result, err = run(ctx, call)
	if err != nil || result == nil {
		return nil, err
	}
	text, err := strictjson.MarshalText(result)
	switch {
	case err != nil:
		return nil, &workflow.Final{Reason: "the tool's result has no JSON form: " + err.Error()}
	case len(text) > maxResult:
		return nil, &workflow.Final{Reason: fmt.Sprintf("the tool's result is larger than %d bytes", maxResult)}
	}
	return strictjson.Parse(text)
}

// Report implements [workflow.Host].
func (h *runHost) Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any) {
	h.append(aureus.TelemetryEvent{
		Type: kind, Timestamp: aureus.TimestampOf(h.server.config.Now()), WorkflowID: h.request.Workflow.ID,
		TaskID: task.ID, TaskType: string(task.Type), Data: data,
	})
}

// append keeps an event of the run. The run goes on without it.
func (h *runHost) append(event aureus.TelemetryEvent) {
	ctx := context.WithoutCancel(h.server.life)
	event.CorrelationID = h.request.CorrelationID
	if err := h.server.appendEvents(ctx, h.caller.tenant, []aureus.TelemetryEvent{event}); err != nil {
		h.server.log.WarnContext(ctx, "an event could not be kept", slog.String("type", string(event.Type)), slog.Any("error", err))
	}
}

// Sleep implements [workflow.Host].
func (h *runHost) Sleep(ctx context.Context, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Random implements [workflow.Host].
func (h *runHost) Random() float64 { return rand.Float64() } //nolint:gosec // it only spreads retries

// Now implements [workflow.Host].
func (h *runHost) Now() time.Time { return h.server.config.Now() }
