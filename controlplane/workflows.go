package controlplane

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// registerWorkflows serves the paths of SPEC 6.4.
func (s *Server) registerWorkflows(mux *http.ServeMux) {
	s.handle(mux, "POST /api/v1/workflows/execute", RoleService, s.executeWorkflow)
	s.handle(mux, "GET /api/v1/workflows/{id}/status", RoleService, s.workflowStatus)
	s.handle(mux, "POST /api/v1/workflows/{id}/cancel", RoleService, s.cancelWorkflow)
}

// runResult is the answer to execute: the published client's, with extras.
type runResult struct {
	WorkflowID       string                       `json:"workflow_id"`
	RunID            string                       `json:"run_id"`
	Status           string                       `json:"status"`
	TaskResults      map[string]aureus.TaskResult `json:"task_results"`
	Error            string                       `json:"error,omitzero"`
	DurationMS       float64                      `json:"duration_ms"`
	CorrelationID    string                       `json:"correlation_id"`
	Goal             string                       `json:"goal,omitzero"`
	Constraints      []string                     `json:"constraints,omitzero"`
	SuccessCriteria  []string                     `json:"success_criteria,omitzero"`
	Warnings         []aureus.SafetyViolation     `json:"warnings,omitzero"`
	PendingApprovals []aureus.PendingApproval     `json:"pending_approvals,omitzero"`
}

// executeWorkflow runs the workflow and answers when it has ended or waits for a
// person; white space keeps the call alive until then. The run does not end with
// the call. An id that runs already is joined.
func (s *Server) executeWorkflow(w http.ResponseWriter, r *http.Request, c caller) error {
	var body runRequest
	if err := readJSON(r, &body); err != nil {
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
	silent, err := s.waitFor(w, r, live)
	if err != nil {
		if !silent {
			panic(http.ErrAbortHandler) // the answer has begun, and is not one
		}
		return err
	}
	stored, err := s.run(r.Context(), c, live.id)
	if err == nil {
		var result runResult
		if result, err = s.resultOf(stored); err == nil {
			result.Warnings = warnings
			if body.CorrelationID != "" {
				result.CorrelationID = body.CorrelationID // that of this call, whichever began the run
			}
			writeRunResult(w, silent, result)
			return nil
		}
	}
	if !silent {
		panic(http.ErrAbortHandler)
	}
	return err
}

// admissibleRun checks all that can be checked before anything runs.
func (s *Server) admissibleRun(c caller, body *runRequest) ([]aureus.SafetyViolation, error) {
	problems := workflow.Check(&body.Workflow)
	for i := range problems {
		problems[i].Pointer = "/workflow" + problems[i].Pointer
	}
	if len(body.CorrelationID) > maxWord {
		problems = append(problems, strictjson.Problem{Pointer: "/correlation_id", Message: fmt.Sprintf("must not be longer than %d bytes", maxWord)})
	}
	if id, given := body.Context["principal_id"]; given && id != nil {
		if text, ok := id.(string); !ok || text == "" {
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_id", Message: "must be a text that is not empty"})
		}
	}
	if claimed, ok := body.Context["principal_permissions"]; ok {
		if _, err := permissionsOf(claimed); err != nil {
			problems = append(problems, strictjson.Problem{Pointer: "/context/principal_permissions", Message: err.Error()})
		}
	}
	if len(problems) > 0 {
		shape := &strictjson.ShapeError{Problems: problems}
		return nil, badBody(shape)
	}
	if id, ok := body.Context["principal_id"].(string); ok && id != "" {
		if err := errors.Join(boundNames(map[string]string{"/context/principal_id": id}), c.maySpeakFor(id)); err != nil {
			return nil, err
		}
	}
	violations, warnings := workflow.Safety(&body.Workflow)
	if len(violations) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, codePolicyViolation, "the workflow breaks its safety policy: "+violations[0].Message,
			withDetails(violations), withRemediation("Change the tasks that are named, or the workflow's safety_policy."))
	}
	return s.withTiersOfTools(&body.Workflow, warnings), nil
}

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

// startOrJoin finds the run under way, goes on with one that waited for a person
// or was interrupted, or starts a new one.
func (s *Server) startOrJoin(ctx context.Context, c caller, body runRequest) (*liveRun, error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	live := s.liveRun(c.tenant, body.Workflow.ID)
	if live != nil && live.subject == c.subject {
		if !sameRequest(live.request, body) {
			return nil, otherRun()
		}
		return live, nil
	}
	if live != nil {
		return nil, othersRun()
	}
	if body.CorrelationID == "" {
		body.CorrelationID = strings.TrimPrefix(aureus.NewDecisionID(s.config.Now()).String(), "dec_")
	}
	request, err := strictjson.MarshalText(body)
	if err != nil {
		return nil, err
	}
	latest, err := s.latestRun(ctx, c, body.Workflow.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	if err == nil && !latest.Ended {
		host, state, err := s.hostOf(latest)
		if err != nil {
			return nil, err
		}
		switch {
		case host.caller.subject != c.subject:
			return nil, othersRun()
		case !sameRequest(host.request, body):
			return nil, otherRun()
		default:
			if state.Status == workflow.AwaitingApproval {
				state.Resume()
			}
			host.caller = c
			return s.launch(host, state)
		}
	}
	if err == nil {
		if ended, err := s.nothingToDo(ctx, c, latest, body); ended != nil || err != nil {
			return ended, err
		}
	}
	if err := s.roomForRun(); err != nil {
		return nil, err
	}
	who, err := strictjson.MarshalText(c.kept())
	if err != nil {
		return nil, err
	}
	state := workflow.NewState()
	stateText, err := strictjson.MarshalText(state)
	if err != nil {
		return nil, err
	}
	stored := store.Run{
		ID: "run_" + strings.TrimPrefix(aureus.NewDecisionID(s.config.Now()).String(), "dec_"), Tenant: c.tenant, WorkflowID: body.Workflow.ID,
		Caller: string(who), Request: string(request), State: string(stateText), StartedAt: s.config.Now(),
	}
	err = s.db.Write(ctx, func(t *store.Tx) error {
		return t.AddRun(stored)
	})
	if err != nil {
		return nil, err
	}
	return s.launch(&runHost{server: s, stored: stored, caller: c, request: body}, state)
}

// nothingToDo is the latest run, which has ended, if it was of the same request
// and all its tasks carry idempotency keys that are committed (SPEC 6.4).
func (s *Server) nothingToDo(ctx context.Context, c caller, latest store.Run, body runRequest) (*liveRun, error) {
	host, state, err := s.hostOf(latest)
	if err != nil || host.caller.subject != c.subject || !sameRequest(host.request, body) {
		return nil, err
	}
	done, err := host.allDone(ctx, state)
	if err != nil || !done {
		return nil, err
	}
	ended := &liveRun{id: latest.ID, done: make(chan struct{}), failing: make(chan struct{})}
	close(ended.done)
	return ended, nil
}

func othersRun() error {
	return problem(http.StatusConflict, codeConflict, "a run of this workflow that somebody else started has not ended",
		withRemediation("Use another id, or wait for its end."))
}

func otherRun() error {
	return problem(http.StatusConflict, codeConflict, "a run of this workflow, with another spec or context, has not ended",
		withRemediation("Use another id, or cancel that run first: what it did is then undone."))
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

func writeRunResult(w http.ResponseWriter, silent bool, result runResult) {
	if silent {
		writeJSON(w, http.StatusOK, result)
		return
	}
	text, err := strictjson.MarshalText(result)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(text) // a client that is gone does not hear of it
}

// visibleRun is the latest run of the workflow: of the caller's own, or of
// everybody's, if the caller may see those.
func (s *Server) visibleRun(ctx context.Context, c caller, id string) (run store.Run, err error) {
	err = s.db.Read(ctx, func(t *store.Tx) (err error) {
		if c.role.atLeast(RoleOperator) {
			run, err = t.LatestRun(c.tenant, id)
		} else {
			run, err = t.LatestRunOf(c.tenant, id, c.subject)
		}
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		err = notFound("workflow")
	}
	return run, err
}

func (s *Server) run(ctx context.Context, c caller, runID string) (run store.Run, err error) {
	err = s.db.Read(ctx, func(t *store.Tx) error {
		run, err = t.Run(c.tenant, runID)
		return err
	})
	return run, err
}

func (s *Server) latestRun(ctx context.Context, c caller, id string) (run store.Run, err error) {
	err = s.db.Read(ctx, func(t *store.Tx) error {
		run, err = t.LatestRun(c.tenant, id)
		return err
	})
	return run, err
}

func (s *Server) resultOf(stored store.Run) (runResult, error) {
	host, state, err := s.hostOf(stored)
	if err != nil {
		return runResult{}, err
	}
	spec := host.request.Workflow
	result := runResult{
		WorkflowID: spec.ID, RunID: stored.ID, Status: state.Status, Error: state.Error, CorrelationID: host.request.CorrelationID,
		Goal: spec.Goal, Constraints: spec.Constraints, SuccessCriteria: spec.SuccessCriteria, TaskResults: taskResults(spec, state),
		DurationMS: float64(s.until(state).Sub(stored.StartedAt).Microseconds()) / 1000,
	}
	if state.Status == workflow.AwaitingApproval {
		result.Status = workflow.Partial // the published words of execute (SPEC 6.4)
		for i := range spec.Tasks {
			if task := state.Tasks[spec.Tasks[i].ID]; task != nil && task.Approval != nil {
				result.PendingApprovals = append(result.PendingApprovals, *task.Approval)
			}
		}
	}
	return result, nil
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

// runStatus is the answer to status.
type runStatus struct {
	WorkflowID    string                       `json:"workflow_id"`
	RunID         string                       `json:"run_id"`
	Status        string                       `json:"status"`
	Progress      float64                      `json:"progress"`
	CurrentTask   string                       `json:"current_task,omitzero"`
	Tasks         map[string]aureus.TaskResult `json:"tasks"`
	StartedAt     aureus.Timestamp             `json:"started_at"`
	CompletedAt   aureus.Timestamp             `json:"completed_at,omitzero"`
	Error         string                       `json:"error,omitzero"`
	CorrelationID string                       `json:"correlation_id"`
}

func (s *Server) workflowStatus(w http.ResponseWriter, r *http.Request, c caller) error {
	stored, err := s.visibleRun(r.Context(), c, r.PathValue("id"))
	if err != nil {
		return err
	}
	host, state, err := s.hostOf(stored)
	if err != nil {
		return err
	}
	spec := host.request.Workflow
	status := runStatus{
		WorkflowID: spec.ID, RunID: stored.ID, Status: state.Status, CurrentTask: state.Current, Error: state.Error,
		CorrelationID: host.request.CorrelationID, StartedAt: aureus.TimestampOf(stored.StartedAt), Progress: 1, Tasks: taskResults(spec, state),
	}
	if state.CompletedAt != 0 {
		status.CompletedAt = aureus.TimestampOf(time.Unix(0, state.CompletedAt))
	}
	if !workflow.Ended(state.Status) {
		status.Progress = state.Progress(&spec)
	}
	writeJSON(w, http.StatusOK, status)
	return nil
}

// cancellation is the answer to cancel.
type cancellation struct {
	WorkflowID string `json:"workflow_id"`
	RunID      string `json:"run_id"`
	Cancelled  bool   `json:"cancelled"`
	Status     string `json:"status"`
}

// cancelWorkflow stops the run, undoes what it did, and answers when that is
// done. A run that waits for a person is ended without undoing anything that
// needs no undoing: it is run to its end as a cancelled one.
func (s *Server) cancelWorkflow(w http.ResponseWriter, r *http.Request, c caller) error {
	id := r.PathValue("id")
	live, err := s.cancelLive(r.Context(), c, id)
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
			return problem(http.StatusServiceUnavailable, codeStore, "the store did not take the cancellation at once; ask for the status", withRetryAfter(time.Second))
		case <-r.Context().Done():
			return context.Cause(r.Context())
		}
		if live.err != nil {
			return live.err
		}
	}
	var stored store.Run
	if live != nil {
		stored, err = s.run(r.Context(), c, live.id)
	} else {
		stored, err = s.visibleRun(r.Context(), c, id)
	}
	if err != nil {
		return err
	}
	_, state, err := s.hostOf(stored)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, cancellation{
		WorkflowID: id, RunID: stored.ID, Cancelled: live != nil && state.Status == workflow.Cancelled, Status: state.Status,
	})
	return nil
}

// cancelLive asks the run under way to stop; one that waits for a person is
// taken up again for that.
func (s *Server) cancelLive(ctx context.Context, c caller, id string) (*liveRun, error) {
	s.starting.Lock()
	defer s.starting.Unlock()
	live := s.liveRun(c.tenant, id) // before the look at the store: what is not under way then does not change after it
	stored, err := s.visibleRun(ctx, c, id)
	if err != nil || stored.Ended {
		return nil, err
	}
	if live == nil { // else it is that run, as nobody else can start one before it has ended
		host, state, err := s.hostOf(stored)
		if err != nil {
			return nil, err
		}
		state.Resume()
		state.CancelAsked = true
		if live, err = s.launch(host, state); err != nil {
			return nil, err
		}
	}
	live.cancel(workflow.ErrCancelled)
	return live, nil
}
