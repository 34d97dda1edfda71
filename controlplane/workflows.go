package controlplane

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/invalidrequest"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// registerWorkflows serves execute, status and cancel of workflows.
// maxCorrelationID limits a correlation id, in bytes.
const maxCorrelationID = 1024

func (s *Server) workflowRoutes() []web.Route {
	return []web.Route{
		{Pattern: "POST /api/v1/workflows/execute", Role: web.Service, Replay: web.ReplayDurable, Handler: s.executeWorkflow},
		{Pattern: "GET /api/v1/workflows/{id}/status", Role: web.Service, Query: []string{"subject"}, Handler: s.workflowStatus},
		{Pattern: "POST /api/v1/workflows/{id}/cancel", Role: web.Service, Query: []string{"subject"}, Replay: web.ReplayDurable, Handler: s.cancelWorkflow},
	}
}

// executeWorkflow runs the workflow and answers when it has ended or waits for a
// person; white space keeps the call alive until then. The run does not end with
// the call. An id that runs already is joined.
func (s *Server) executeWorkflow(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body runRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	warnings, err := s.admissibleRun(c, &body)
	if err != nil {
		return err
	}
	live, err := s.startOrJoin(r.Context(), c, body)
	if err != nil {
		return err
	}
	web.Account(r).Rest() // waiting is no work
	silent, err := s.waitFor(w, r, live)
	if err != nil {
		if !silent {
			panic(http.ErrAbortHandler) // the answer has begun, and is not one
		}
		return err
	}
	stored, err := s.run(r.Context(), c.Tenant, live.id)
	if err == nil {
		var result aureus.WorkflowExecutionResult
		if result, err = s.resultOf(r.Context(), stored); err == nil {
			result.Warnings = warnings
			if body.CorrelationID != "" {
				result.CorrelationID = body.CorrelationID // that of this call, whichever began the run
			}
			s.tellEnd(r.Context(), stored)
			writeRunResult(w, silent, result)
			return nil
		}
	}
	if !silent {
		panic(http.ErrAbortHandler)
	}
	return err
}

// endIsTold is how long the end of a run that went on by itself is kept for the
// call that asks for the same: that call would have gone on with it.
const endIsTold = time.Hour

// tellEnd notes that a call has been told the end of a run: the next one begins a
// new run.
func (s *Server) tellEnd(ctx context.Context, run storage.Run) {
	state := &workflow.State{}
	err := strictjson.Unmarshal([]byte(run.State), state)
	if err != nil || !state.ByItself || !run.Ended {
		return
	}
	state.ByItself = false
	text, err := strictjson.MarshalText(state)
	if err == nil {
		err = s.db.Update(context.WithoutCancel(ctx), func(t storage.Tx) error { return t.Runs().Save(run.Tenant, run.ID, string(text), true, nil) })
	}
	if err != nil {
		s.log.WarnContext(ctx, "it could not be kept that the end of a workflow was told", slog.String("run_id", run.ID), slog.Any("error", err))
	}
}

// admissibleRun checks all that can be checked before anything runs.
func (s *Server) admissibleRun(c web.Caller, body *runRequest) ([]aureus.SafetyViolation, error) {
	problems := workflow.Check(&body.Workflow)
	for i := range problems {
		problems[i].Pointer = "/workflow" + problems[i].Pointer
	}
	if len(body.CorrelationID) > maxCorrelationID {
		problems = append(problems, strictjson.Problem{Pointer: "/correlation_id", Message: fmt.Sprintf("must not be longer than %d bytes", maxCorrelationID)})
	}
	if id, given := body.Context["principal_id"]; given && id != nil {
		switch text, ok := id.(string); {
		case !ok || text == "":
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_id", Message: "must be a text that is not empty"})
		case nametext.Identifier(text) != "":
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_id", Message: nametext.Identifier(text)})
		}
	}
	if claimed, ok := body.Context["principal_permissions"]; ok {
		permissions, err := permissionsOf(claimed)
		if err != nil {
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_permissions", Message: err.Error()})
		}
		for i := range permissions {
			why := cmp.Or(nametext.Label(permissions[i].Action), nametext.Label(permissions[i].Resource))
			if why != "" {
				problems = append(problems, strictjson.Problem{Pointer: "/context/principal_permissions/" + strconv.Itoa(i), Message: "has a text that " + why})
				break
			}
		}
	}
	if len(problems) == 0 {
		problems = invalidRequests(c, body)
	}
	if len(problems) > 0 {
		shape := &strictjson.ShapeError{Problems: problems}
		return nil, web.BadBody(shape)
	}
	if id, ok := body.Context["principal_id"].(string); ok && id != "" {
		if err := c.MaySpeakFor(id); err != nil {
			return nil, err
		}
	}
	violations, warnings := workflow.Safety(&body.Workflow)
	if len(violations) > 0 {
		return nil, web.Problem(http.StatusUnprocessableEntity, wire.CodePolicyViolation, "the workflow breaks its safety policy: "+violations[0].Message,
			web.WithDetails(violations), web.WithRemediation("Change the tasks that are named, or the workflow's safety_policy."))
	}
	return s.withTiersOfTools(&body.Workflow, warnings), nil
}

// invalidRequests are the tasks that nobody could decide about, as their names are
// not made of what can be seen, or the principal that they run for is not: each
// would only fail later. At most one problem of each is told.
func invalidRequests(c web.Caller, body *runRequest) (problems []strictjson.Problem) {
	check := func(request aureus.Request, pointers ...string) {
		if bad, ok := errors.AsType[*invalidrequest.Error](request.Validate()); ok {
			problems = append(problems, strictjson.Problem{Pointer: strings.NewReplacer(pointers...).Replace(bad.Pointer), Message: bad.Reason})
		}
	}
	host := &runHost{caller: c, request: *body}
	low := aureus.Action{ID: "task", RiskTier: aureus.TierLow}
	check(aureus.Request{Principal: host.principal(), Action: low, WorkflowID: body.Workflow.ID},
		"/principal/id", "/context/principal_id", "/principal/permissions", "/context/principal_permissions", "/workflow_id", "/workflow/id")
	for i := range body.Workflow.Tasks {
		task := &body.Workflow.Tasks[i]
		at := "/workflow/tasks/" + strconv.Itoa(i)
		check(aureus.Request{
			Principal: aureus.Principal{ID: "principal"}, Tool: task.ToolName, TaskID: task.ID, Action: aureus.Action{
				ID: task.ID, Name: task.Name, RiskTier: aureus.TierLow, RequiredPermissions: task.RequiredPermissions,
				Intent: task.Intent, DataZone: task.DataZone, AllowedTools: task.AllowedTools,
			},
		}, "/action/", at+"/", "/tool_name", at+"/tool_name", "/task_id", at+"/id")
		if undo := task.CompensationAction; undo != nil {
			check(aureus.Request{Principal: aureus.Principal{ID: "principal"}, Tool: undo.Tool, Action: low}, "/tool_name", at+"/compensation_action/tool")
		}
	}
	return problems[:min(len(problems), maxProblems)]
}

// maxProblems bounds what is told of a workflow that cannot be decided about.
const maxProblems = 100

// withTiersOfTools adds what the safety policy would say if the tasks without a
// tier were of their tools': the author did not say so, hence no more than a
// warning.
func (s *Server) withTiersOfTools(spec *aureus.WorkflowSpec, warnings []aureus.SafetyViolation) []aureus.SafetyViolation {
	effective := *spec
	effective.Tasks = slices.Clone(spec.Tasks)
	for i := range effective.Tasks {
		task := &effective.Tasks[i]
		if tool, ok := s.tools[task.ToolName]; ok && task.RiskTier == "" {
			task.RiskTier = aureus.RiskTier(strings.ToUpper(string(tool.tier())))
		}
	}
	violations, more := workflow.Safety(&effective)
	for _, v := range slices.Concat(violations, more) {
		if !slices.ContainsFunc(warnings, func(w aureus.SafetyViolation) bool { return w.Message == v.Message }) {
			warnings = append(warnings, v)
		}
	}
	return warnings
}

// startOrJoin finds the caller's run under way, goes on with one that waited, was
// interrupted or is parked, or starts a new one.
func (s *Server) startOrJoin(ctx context.Context, c web.Caller, body runRequest) (*liveRun, error) {
	if err := s.awaitParking(ctx, c, body.Workflow.ID); err != nil {
		return nil, err
	}
	s.starting.Lock()
	defer s.starting.Unlock()
	if live := s.liveRun(c.Tenant, c.Subject, body.Workflow.ID); live != nil {
		if !sameRequest(live.request, body) {
			return nil, otherRun()
		}
		return live, nil
	}
	if body.CorrelationID == "" {
		body.CorrelationID = strings.TrimPrefix(aureus.NewDecisionID(s.config.Now()).String(), "dec_")
	}
	request, err := strictjson.MarshalText(body)
	if err != nil {
		return nil, err
	}
	latest, err := s.latestRun(ctx, c, body.Workflow.ID)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return nil, err
	}
	if err == nil && !latest.Ended {
		host, state, err := s.hostOf(latest)
		if err != nil {
			return nil, err
		}
		if !sameRequest(host.request, body) {
			return nil, otherRun()
		}
		if err := host.takeOver(ctx, c.KeyID, c, "executed again", func(storage.Tx) error { return nil }); err != nil {
			return nil, err
		}
		if state.Status != workflow.Running {
			state.Resume()
		}
		state.ByItself = false
		return s.launch(host, state)
	}
	if err == nil {
		if ended, err := s.nothingToDo(ctx, latest, body); ended != nil || err != nil {
			return ended, err
		}
	}
	if err := s.roomForRun(c); err != nil {
		return nil, err
	}
	who, err := strictjson.MarshalText(keptCaller(c))
	if err != nil {
		return nil, err
	}
	state := workflow.NewState()
	stateText, err := strictjson.MarshalText(state)
	if err != nil {
		return nil, err
	}
	stored := storage.Run{
		ID: "run_" + strings.TrimPrefix(aureus.NewDecisionID(s.config.Now()).String(), "dec_"), Tenant: c.Tenant, Subject: c.Subject, KeyID: c.KeyID,
		WorkflowID: body.Workflow.ID, Caller: string(who), Request: string(request), State: string(stateText), StartedAt: s.config.Now(),
	}
	err = s.db.Update(ctx, func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		open, err := t.Runs().CountOpen(c.Tenant, c.Subject)
		if err == nil {
			err = s.runQuota.Room(open, len(stored.Request))
		}
		if err != nil {
			return err
		}
		return t.Runs().Add(stored)
	})
	if errors.Is(err, storage.ErrTooManyRuns) {
		return nil, web.Problem(http.StatusTooManyRequests, wire.CodeExhausted, err.Error(),
			web.WithRemediation("Have some of them decided, cancel them, or wait until their approvals expire."), web.WithRetryAfter(time.Minute))
	}
	if err != nil {
		return nil, err
	}
	return s.launch(&runHost{server: s, stored: stored, caller: c, request: body}, state)
}

// awaitParking waits for a run that is being parked: the caller, whose key is
// live, goes on with it after that.
func (s *Server) awaitParking(ctx context.Context, c web.Caller, id string) error {
	live := s.liveRun(c.Tenant, c.Subject, id)
	if live == nil || !errors.Is(context.Cause(live.life), errKeyRevoked) {
		return nil
	}
	select {
	case <-live.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// takeOver lets a run that has not ended go on with another key: one of its
// subject's, or that of whoever cancels a run whose own key has been revoked. The
// run stays its subject's. more writes what belongs to it, in one transaction.
func (h *runHost) takeOver(ctx context.Context, keyID string, by web.Caller, why string, more func(storage.Tx) error) error {
	if h.caller.KeyID == keyID {
		return nil
	}
	before := h.caller.KeyID
	h.caller.KeyID = keyID
	if by.Subject == h.caller.Subject {
		h.caller.Role, h.caller.SpeaksFor = by.Role, by.SpeaksFor
	}
	who, err := strictjson.MarshalText(keptCaller(h.caller))
	if err != nil {
		return err
	}
	return h.server.db.Update(ctx, func(t storage.Tx) error {
		if err := errors.Join(t.Runs().Take(h.caller.Tenant, h.stored.ID, keyID, string(who)), more(t)); err != nil {
			return err
		}
		entry := h.auditEntry(vocab.AuditWorkflowTaken, nil, map[string]any{"reason": why, "from_key_id": before})
		entry.By = by.Subject
		return t.Audit().Append(h.caller.Tenant, h.Now(), entry)
	})
}

// nothingToDo is the latest run, which has ended, if it was of the same request
// and went on by itself to an end that nobody has been told, or all its tasks
// carry idempotency keys that are committed.
func (s *Server) nothingToDo(ctx context.Context, latest storage.Run, body runRequest) (*liveRun, error) {
	host, state, err := s.hostOf(latest)
	if err != nil || !sameRequest(host.request, body) {
		return nil, err
	}
	done := state.ByItself && s.config.Now().Sub(time.Unix(0, state.CompletedAt)) < endIsTold
	if !done {
		done, err = host.allDone(ctx, state)
	}
	if err != nil || !done {
		return nil, err
	}
	ended := &liveRun{id: latest.ID, done: make(chan struct{}), failing: make(chan struct{})}
	close(ended.done)
	return ended, nil
}

func otherRun() error {
	return web.Problem(http.StatusConflict, wire.CodeConflict, "a run of this workflow, with another spec or context, has not ended",
		web.WithRemediation("Use another id, or cancel that run first: what it did is then undone."))
}

// sameRequest reports whether a run that waits is one of this spec in this
// context.
func sameRequest(a, b runRequest) bool {
	a.CorrelationID, b.CorrelationID = "", ""
	x, errX := strictjson.MarshalText(a)
	y, errY := strictjson.MarshalText(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// waitFor waits for the run. silent is false once white space has been sent.
func (s *Server) waitFor(w http.ResponseWriter, r *http.Request, live *liveRun) (silent bool, err error) {
	beat := time.NewTicker(s.heartbeat)
	defer beat.Stop()
	silent = true
	for {
		failing, failure := live.trouble()
		if failure != nil { // it goes on by itself, and this call need not wait for that
			return silent, failure
		}
		select {
		case <-failing:
		case <-live.done:
			return silent, live.err
		case <-r.Context().Done():
			return silent, context.Cause(r.Context())
		case <-beat.C:
			if silent {
				w.Header().Set("Content-Type", "application/json")
			}
			silent = false
			if _, err := w.Write([]byte(" ")); err != nil {
				return silent, err
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return silent, err
			}
		}
	}
}

func writeRunResult(w http.ResponseWriter, silent bool, result aureus.WorkflowExecutionResult) {
	if silent {
		web.WriteJSON(w, http.StatusOK, result)
		return
	}
	text, err := strictjson.MarshalText(result)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(text) // a client that is gone does not hear of it
}

// visibleRun is the latest run of the workflow. A service sees its subject's own.
// An operator sees that of the subject, or, where none is named, the latest of
// everybody's.
func (s *Server) visibleRun(ctx context.Context, c web.Caller, id, subject string) (run storage.Run, err error) {
	everybody := c.Role.AtLeast(web.Operator)
	if !everybody && subject != "" && subject != c.Subject {
		return run, web.NotFound("workflow")
	}
	if !everybody {
		subject = c.Subject
	}
	err = s.db.View(ctx, func(t storage.Tx) (err error) {
		if subject == "" {
			run, err = t.Runs().Latest(c.Tenant, id)
		} else {
			run, err = t.Runs().LatestOf(c.Tenant, id, subject)
		}
		return err
	})
	if errors.Is(err, storage.ErrNotFound) {
		err = web.NotFound("workflow")
	}
	return run, err
}

func (s *Server) run(ctx context.Context, tenant, runID string) (run storage.Run, err error) {
	err = s.db.View(ctx, func(t storage.Tx) error {
		run, err = t.Runs().Get(tenant, runID)
		return err
	})
	return run, err
}

func (s *Server) latestRun(ctx context.Context, c web.Caller, id string) (run storage.Run, err error) {
	err = s.db.View(ctx, func(t storage.Tx) error {
		run, err = t.Runs().LatestOf(c.Tenant, id, c.Subject)
		return err
	})
	return run, err
}

func (s *Server) resultOf(ctx context.Context, stored storage.Run) (aureus.WorkflowExecutionResult, error) {
	host, state, err := s.hostOf(stored)
	if err != nil {
		return aureus.WorkflowExecutionResult{}, err
	}
	spec := host.request.Workflow
	took := float64(s.until(state).Sub(stored.StartedAt).Microseconds()) / 1000
	result := aureus.WorkflowExecutionResult{
		WorkflowID: spec.ID, RunID: stored.ID, Status: state.Status, Error: state.Error, CorrelationID: host.request.CorrelationID,
		Goal: spec.Goal, Constraints: spec.Constraints, SuccessCriteria: spec.SuccessCriteria, TaskResults: taskResults(spec, state),
		DurationMS: &took,
	}
	if state.Status == workflow.AwaitingApproval || state.Status == workflow.Parked {
		result.Status = workflow.Partial // execute has no word of its own for waiting: part of the run is done
	}
	result.PendingApprovals, err = s.waitsOf(ctx, stored.Tenant, &spec, state)
	return result, err
}

// waitsOf are the approvals that a waiting run waits for, as they are now, with
// what to do next.
func (s *Server) waitsOf(ctx context.Context, tenant string, spec *aureus.WorkflowSpec, state *workflow.State) (list []aureus.PendingApproval, err error) {
	waits := state.Waits()
	if len(waits) == 0 {
		return nil, nil
	}
	err = s.db.View(ctx, func(t storage.Tx) error {
		list = nil
		for i := range spec.Tasks {
			id := spec.Tasks[i].ID
			if waits[id] == "" {
				continue
			}
			pending := *state.Tasks[id].Approval
			a, err := t.Approvals().Summary(tenant, s.config.Now(), pending.ApprovalToken)
			if err != nil && !errors.Is(err, aureus.ReasonApprovalUnknown.Err()) {
				return err
			}
			pending.Status, pending.Next = a.Status, nextStep(a)
			list = append(list, pending)
		}
		return nil
	})
	return list, err
}

// nextStep says what is to be done about an approval that a run waits for.
func nextStep(a aureus.Approval) string {
	switch a.Status {
	case aureus.ApprovalPending:
		return "an operator approves or rejects it at POST " + approvals.Path(a.ID) + "/approve or /reject; the workflow then goes on by itself"
	case aureus.ApprovalApproved:
		return "it is approved: the workflow goes on by itself"
	default:
		return "it has ended: the workflow ends by itself; execute it again to ask anew, or, after a rejection, when that has expired"
	}
}

func (s *Server) until(state *workflow.State) time.Time {
	if state.CompletedAt != 0 {
		return time.Unix(0, state.CompletedAt)
	}
	return s.config.Now()
}

// taskResults tells of every task of the spec: those never started are skipped.
func taskResults(spec aureus.WorkflowSpec, state *workflow.State) map[string]aureus.TaskResult {
	results := make(map[string]aureus.TaskResult, len(spec.Tasks))
	for i := range spec.Tasks {
		id := spec.Tasks[i].ID
		task := state.Tasks[id]
		if task == nil {
			task = &workflow.TaskState{Status: workflow.TaskSkipped}
			if state.Status == workflow.Running {
				task.Status = workflow.TaskPending
			}
		}
		result := aureus.TaskResult{TaskID: id, Status: task.Word(), Result: task.Result, Error: task.Error, Compensated: task.Compensated, Reused: task.Reused}
		if task.Attempt > 0 {
			took := task.DurationMS
			result.DurationMS = &took
		}
		results[id] = result
	}
	return results
}

func (s *Server) workflowStatus(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	query, err := web.Query(r)
	if err != nil {
		return err
	}
	stored, err := s.visibleRun(r.Context(), c, r.PathValue("id"), query.Get("subject"))
	if err != nil {
		return err
	}
	account := web.Account(r)
	if size := sizeOf(stored); size > web.LongBody {
		if err := account.Charge(3 * size); err != nil { // the texts, what they are decoded into, and the answer
			return web.CapacityError(err)
		}
		if err := account.Work(r.Context()); err != nil {
			return web.CapacityError(err)
		}
	}
	host, state, err := s.hostOf(stored)
	if err != nil {
		return err
	}
	spec := host.request.Workflow
	status := aureus.WorkflowStatus{
		WorkflowID: spec.ID, RunID: stored.ID, Status: state.Status, CurrentTask: state.Current, Error: state.Error,
		CorrelationID: host.request.CorrelationID, StartedAt: aureus.TimestampOf(stored.StartedAt), Progress: 1, Tasks: taskResults(spec, state),
		Subject: stored.Subject,
	}
	if state.CompletedAt != 0 {
		status.CompletedAt = aureus.TimestampOf(time.Unix(0, state.CompletedAt))
	}
	if !workflow.Ended(state.Status) {
		status.Progress = state.Progress(&spec)
	}
	if status.PendingApprovals, err = s.waitsOf(r.Context(), stored.Tenant, &spec, state); err != nil {
		return err
	}
	text, err := strictjson.MarshalText(status)
	if err != nil {
		return err
	}
	account.Rest() // waiting for the reader is no work
	web.WriteJSONText(w, http.StatusOK, text)
	return nil
}

// sizeOf is how many bytes what is kept of the run takes.
func sizeOf(run storage.Run) int64 {
	size := len(run.Request) + len(run.State)
	for _, text := range run.Tasks {
		size += len(text)
	}
	return int64(size)
}

// cancelWorkflow stops the run, undoes what it did, and answers when that is
// done. A run that waits for a person is ended without undoing anything that
// needs no undoing: it is run to its end as a cancelled one.
func (s *Server) cancelWorkflow(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	id := r.PathValue("id")
	query, err := web.Query(r)
	if err != nil {
		return err
	}
	stored, live, err := s.cancelLive(r.Context(), c, id, query.Get("subject"))
	if err != nil {
		return err
	}
	if live != nil {
		failing, _ := live.trouble()
		select {
		case <-live.done:
		case <-failing: // it is cancelled as soon as the store takes that
			if _, failure := live.trouble(); failure != nil {
				return failure
			}
			return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the store did not take the cancellation at once; ask for the status", web.WithRetryAfter(time.Second))
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
		if live.err != nil {
			return live.err
		}
	}
	if live != nil {
		if stored, err = s.run(r.Context(), c.Tenant, live.id); err != nil {
			return err
		}
	}
	_, state, err := s.hostOf(stored)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, aureus.WorkflowCancellation{
		WorkflowID: id, RunID: stored.ID, Cancelled: live != nil && state.Status == workflow.Cancelled, Status: state.Status,
	})
	return nil
}

// cancelLive asks the caller's run under way to stop; one that waits or is parked
// is taken up again for that. Without a live run, the one that is given back has
// ended.
func (s *Server) cancelLive(ctx context.Context, c web.Caller, id, subject string) (storage.Run, *liveRun, error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	stored, err := s.visibleRun(ctx, c, id, subject)
	if err != nil || stored.Ended {
		return stored, nil, err
	}
	live := s.liveRun(stored.Tenant, stored.Subject, id)
	if live == nil { // what is not under way does not change any more: nobody else starts it now
		if stored, err = s.run(ctx, stored.Tenant, stored.ID); err != nil || stored.Ended {
			return stored, nil, err
		}
		host, state, err := s.hostOf(stored)
		if err != nil {
			return stored, nil, err
		}
		state.CancelAsked = true
		if err := host.takeForCancelling(ctx, c, state); err != nil {
			return stored, nil, err
		}
		state.Resume()
		if live, err = s.launch(host, state); err != nil {
			return stored, nil, err
		}
	}
	live.cancel(workflow.ErrCancelled)
	return stored, live, nil
}

// takeForCancelling lets whoever cancels a run whose key has been revoked undo
// what it did: with the canceller's key. That the run is to be cancelled is
// written with the key, so that it can do nothing else with it, even where it
// cannot be cancelled at once.
func (h *runHost) takeForCancelling(ctx context.Context, c web.Caller, state *workflow.State) error {
	err := h.server.db.View(ctx, h.keyLive)
	if !errors.Is(err, errKeyRevoked) {
		return err
	}
	head := *state
	head.Tasks = nil
	text, err := strictjson.MarshalText(head)
	if err != nil {
		return err
	}
	return h.takeOver(ctx, c.KeyID, c, "cancelled", func(t storage.Tx) error {
		return t.Runs().Save(h.caller.Tenant, h.stored.ID, string(text), false, nil)
	})
}
