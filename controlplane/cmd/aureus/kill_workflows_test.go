package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// workflowShape is a kind of workflow, with the statuses that it can end with.
type workflowShape struct {
	name  string
	tasks []aureus.TaskSpec
	ends  []string
}

func task(id, tool string, change ...func(*aureus.TaskSpec)) aureus.TaskSpec {
	task := aureus.TaskSpec{ID: id, Name: id, Type: "action", ToolName: tool}
	for _, fn := range change {
		fn(&task)
	}
	return task
}

func undoable(task *aureus.TaskSpec) {
	task.CompensationAction = &aureus.CompensationAction{Tool: "undo"}
}

func risky(task *aureus.TaskSpec) {
	task.RiskTier = "HIGH"
	task.RequiredPermissions = []aureus.Permission{{Action: "write", Resource: "ledger"}}
}

var (
	plain     = &workflowShape{name: "plain", tasks: []aureus.TaskSpec{task("a", "work"), task("b", "work"), task("c", "work")}, ends: []string{"success"}}
	approval  = &workflowShape{name: "approval", tasks: []aureus.TaskSpec{task("a", "work"), task("pay", "pay", risky), task("c", "work")}, ends: []string{"success"}}
	failing   = &workflowShape{name: "failing", tasks: []aureus.TaskSpec{task("a", "work", undoable), task("b", "work", undoable), task("c", "fail")}, ends: []string{"failed"}}
	cancelled = &workflowShape{name: "cancelled", tasks: []aureus.TaskSpec{task("a", "work", undoable), task("b", "slow"), task("c", "work")}, ends: []string{"cancelled", "success"}}
)

// testWorkflow is a workflow that a client executes under its own id.
type testWorkflow struct {
	*workflowShape
	id string

	known   bool // the fields below are the last response; false if the server was killed before it responded
	status  string
	tasks   map[string]aureus.TaskResult // nil if only the status was reported
	tokens  []string                     // of the approvals that it waits for
	process int                          // the process that responded
	done    map[string]int               // the tasks that were reported as successful, with the process that reported it first
	counted bool
}

func (f *testWorkflow) request() map[string]any {
	spec := aureus.WorkflowSpec{ID: f.id, Name: f.id, Tasks: f.workflowShape.tasks, Dependencies: map[string][]string{}}
	for i := 1; i < len(spec.Tasks); i++ {
		spec.Dependencies[spec.Tasks[i].ID] = []string{spec.Tasks[i-1].ID}
	}
	return map[string]any{"workflow": spec, "context": map[string]any{
		"principal_id": f.id, "principal_permissions": []aureus.Permission{{Action: "write", Resource: "ledger"}},
	}}
}

// executeResponse is the response to execute.
type executeResponse struct {
	Status           string                       `json:"status"`
	TaskResults      map[string]aureus.TaskResult `json:"task_results"`
	PendingApprovals []struct {
		ApprovalToken string `json:"approval_token"`
	} `json:"pending_approvals,omitzero"`
}

func (f *testWorkflow) record(process int, answer executeResponse) {
	f.known, f.process, f.status, f.tasks, f.tokens = true, process, answer.Status, answer.TaskResults, nil
	for _, pending := range answer.PendingApprovals {
		f.status = "awaiting_approval" // execute reports it as partial
		f.tokens = append(f.tokens, pending.ApprovalToken)
	}
	for id, task := range f.tasks {
		if _, known := f.done[id]; !known && task.Status == "success" {
			f.done[id] = process
		}
	}
}

// workflowList holds all workflows that the clients have executed.
type workflowList struct {
	mu       sync.Mutex
	all      []*testWorkflow
	wrong    []error // unexpected errors
	answered atomic.Int64
}

// Workflows survive when the server is killed at any moment, under load from
// several clients. What a response to execute or cancel said remains true. A
// running workflow ends by itself; one that waits for an approval continues by
// itself once it is approved. A finished task is not executed again; an interrupted
// one is, with the same idempotency key. Other acknowledged changes are stored.
// AUREUS_KILL_ROUNDS is the number of rounds.
func TestWorkflows_SurviveSIGKILL(t *testing.T) {
	rounds := killRounds(t)
	folder := t.TempDir()
	list, acks := &workflowList{}, newAcknowledgedChanges()
	check := &workflowCheck{ends: map[string]int{}, journal: journalReader{file: filepath.Join(folder, "journal"), lines: map[string][]journalLine{}}}
	server := startHost(t, folder, 0)
	for round := range rounds {
		before := list.answered.Load()
		ctx, stop := context.WithCancel(t.Context())
		var clients sync.WaitGroup
		for client := range 4 {
			clients.Go(func() { list.work(ctx, server.url, fmt.Sprintf("r%d-f%d", round, client), round) })
		}
		clients.Go(func() { work(ctx, server.url, fmt.Sprintf("r%d-w", round), acks) })
		target := before + 10 + rand.Int64N(60)
		require.Eventually(t, func() bool { return list.answered.Load() >= target }, wait, tick)
		require.NoError(t, server.cmd.Process.Kill()) // SIGKILL
		require.Error(t, server.cmd.Wait())
		stop()
		clients.Wait()
		require.Empty(t, list.wrong)

		server = startHost(t, folder, round+1)
		check.checkAll(t, server.url, list, round+1)
		compare(t, clientFor(t, server.url, killOperator), clientFor(t, server.url, ""), acks)
	}
	server.stop(t, syscall.SIGTERM)
	t.Logf("%d rounds, %d responses about %d workflows: %v; %s", rounds, list.answered.Load(), len(list.all), check.ends, check)
}

// work executes workflows of all shapes until the server is killed.
func (l *workflowList) work(ctx context.Context, listenAddress, name string, process int) {
	service, err := aureus.NewClient(listenAddress, aureus.WithAPIKey(""), aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry, Changes: aureus.NoRetry}))
	if err != nil {
		l.fails(err)
		return
	}
	defer func() { _ = service.Close() }()
	shapes := []*workflowShape{plain, approval, failing, cancelled}
	for n := rand.N(len(shapes)); ctx.Err() == nil; n++ {
		f := &testWorkflow{workflowShape: shapes[n%len(shapes)], id: fmt.Sprintf("%s-%d", name, n), done: map[string]int{}}
		l.mu.Lock()
		l.all = append(l.all, f)
		l.mu.Unlock()
		var err error
		switch {
		case f.workflowShape == cancelled:
			err = l.executeAndCancel(ctx, service, f, process)
		case f.workflowShape == approval && n%8 < 4: // the others keep waiting
			if err = l.execute(ctx, service, f, process); err == nil {
				err = l.approve(ctx, service, f, process)
			}
		default:
			err = l.execute(ctx, service, f, process)
		}
		if err != nil {
			l.fails(err)
			return
		}
	}
}

// fails records an error, unless the server is gone.
func (l *workflowList) fails(err error) {
	if answer, ok := errors.AsType[*aureus.Error](err); ok && answer.StatusCode == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, err)
}

func (l *workflowList) execute(ctx context.Context, service *aureus.Client, f *testWorkflow, process int) error {
	f.known = false
	var answer executeResponse
	if err := service.Call(ctx, "POST", "/workflows/execute", f.request(), &answer); err != nil {
		return err
	}
	f.record(process, answer)
	l.answered.Add(1)
	return nil
}

// approve approves what the workflow waits for, and executes it again.
func (l *workflowList) approve(ctx context.Context, service *aureus.Client, f *testWorkflow, process int) error {
	operator := service.With(aureus.WithAPIKey(killOperator))
	for _, token := range f.tokens {
		keyedRequest, err := operator.Approval(ctx, token)
		if err != nil {
			return err
		}
		if keyedRequest.Status != aureus.ApprovalPending {
			continue // it was approved before the server was killed
		}
		f.known = false // once approved, it continues by itself
		if _, err := operator.Approve(ctx, token, keyedRequest.ActionDigest, ""); err != nil {
			return err
		}
	}
	return l.execute(ctx, service, f, process)
}

// executeAndCancel cancels the workflow while its slow task runs.
func (l *workflowList) executeAndCancel(ctx context.Context, service *aureus.Client, f *testWorkflow, process int) error {
	var answer executeResponse
	ended := make(chan error, 1)
	go func() { ended <- service.Call(ctx, "POST", "/workflows/execute", f.request(), &answer) }()
	cancel := func() error {
		for {
			status, err := service.WorkflowStatus(ctx, f.id)
			missing, ok := errors.AsType[*aureus.Error](err)
			switch {
			case ok && missing.StatusCode == http.StatusNotFound: // not yet
			case err != nil:
				return err
			case status.CompletedAt != "":
				return nil
			case status.CurrentTask == "b":
				response, err := service.CancelWorkflow(ctx, f.id)
				if err != nil {
					return err
				}
				l.answered.Add(1)
				if response.Cancelled {
					f.record(process, executeResponse{Status: response.Status})
				}
				return nil
			}
		}
	}
	errCancel := cancel()
	if err := <-ended; err != nil {
		return err // the response to cancel, if there was one, is already recorded
	}
	f.record(process, answer)
	l.answered.Add(1)
	return errCancel
}

const (
	wait = 20 * time.Second
	tick = time.Millisecond
)
