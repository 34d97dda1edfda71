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

// shape is a sort of workflow, with the ends that it can have.
type shape struct {
	name  string
	tasks []aureus.TaskSpec
	ends  []string
}

func chained(id, tool string, change ...func(*aureus.TaskSpec)) aureus.TaskSpec {
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
	plain     = &shape{name: "plain", tasks: []aureus.TaskSpec{chained("a", "work"), chained("b", "work"), chained("c", "work")}, ends: []string{"success"}}
	approval  = &shape{name: "approval", tasks: []aureus.TaskSpec{chained("a", "work"), chained("pay", "pay", risky), chained("c", "work")}, ends: []string{"success"}}
	failing   = &shape{name: "failing", tasks: []aureus.TaskSpec{chained("a", "work", undoable), chained("b", "work", undoable), chained("c", "fail")}, ends: []string{"failed"}}
	cancelled = &shape{name: "cancelled", tasks: []aureus.TaskSpec{chained("a", "work", undoable), chained("b", "slow"), chained("c", "work")}, ends: []string{"cancelled", "success"}}
)

// flow is a workflow that a client executes under an id of its own.
type flow struct {
	*shape
	id string

	known   bool // what follows is what the server said last; otherwise nobody knows, since it was killed
	status  string
	tasks   map[string]aureus.TaskResult // nil where only the status was said
	tokens  []string                     // of the approvals that it waits for
	process int                          // which said so
	done    map[string]int               // the tasks that some process said to have succeeded, and which
	counted bool
}

func (f *flow) request() map[string]any {
	spec := aureus.WorkflowSpec{ID: f.id, Name: f.id, Tasks: f.shape.tasks, Dependencies: map[string][]string{}}
	for i := 1; i < len(spec.Tasks); i++ {
		spec.Dependencies[spec.Tasks[i].ID] = []string{spec.Tasks[i-1].ID}
	}
	return map[string]any{"workflow": spec, "context": map[string]any{
		"principal_id": f.id, "principal_permissions": []aureus.Permission{{Action: "write", Resource: "ledger"}},
	}}
}

// executed is the answer to execute.
type executed struct {
	Status           string                       `json:"status"`
	TaskResults      map[string]aureus.TaskResult `json:"task_results"`
	PendingApprovals []struct {
		ApprovalToken string `json:"approval_token"`
	} `json:"pending_approvals,omitzero"`
}

func (f *flow) said(process int, answer executed) {
	f.known, f.process, f.status, f.tasks, f.tokens = true, process, answer.Status, answer.TaskResults, nil
	for _, pending := range answer.PendingApprovals {
		f.status = "awaiting_approval" // which execute calls partial
		f.tokens = append(f.tokens, pending.ApprovalToken)
	}
	for id, task := range f.tasks {
		if _, known := f.done[id]; !known && task.Status == "success" {
			f.done[id] = process
		}
	}
}

// flows are all that the clients have executed.
type flows struct {
	mu       sync.Mutex
	all      []*flow
	wrong    []error // answers that nobody should have got
	answered atomic.Int64
}

// Workflows survive kill -9 at any point, under load from several clients. Every
// answer to execute and to cancel stands. A run that was under way comes to its
// end by itself, and one that waits for a person waits on until it is approved,
// and then goes on by itself. No task that was done is done again; the one that was
// under way is, under the same idempotency key. What else has been acknowledged
// meanwhile is there. AUREUS_KILL_ROUNDS is as for TestKillNine.
func TestWorkflowsSurviveKillNine(t *testing.T) {
	rounds := killRounds(t)
	folder := t.TempDir()
	list, acks := &flows{}, newAcknowledged()
	check := &flowCheck{ends: map[string]int{}, journal: journalReader{file: filepath.Join(folder, "journal"), lines: map[string][]execution{}}}
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
		check.all(t, server.url, list, round+1)
		compare(t, clientFor(t, server.url, killOperator), clientFor(t, server.url, ""), acks)
	}
	server.stop(t, syscall.SIGTERM)
	t.Logf("%d rounds, %d answers about %d workflows: %v; %s", rounds, list.answered.Load(), len(list.all), check.ends, check)
}

// work executes workflows of all shapes, until the server is gone.
func (l *flows) work(ctx context.Context, address, name string, process int) {
	service, err := aureus.NewClient(address, aureus.WithAPIKey(""), aureus.WithRetry(aureus.RetryPolicies{Reads: aureus.NoRetry, Changes: aureus.NoRetry}))
	if err != nil {
		l.fails(err)
		return
	}
	defer func() { _ = service.Close() }()
	shapes := []*shape{plain, approval, failing, cancelled}
	for n := rand.N(len(shapes)); ctx.Err() == nil; n++ {
		f := &flow{shape: shapes[n%len(shapes)], id: fmt.Sprintf("%s-%d", name, n), done: map[string]int{}}
		l.mu.Lock()
		l.all = append(l.all, f)
		l.mu.Unlock()
		var err error
		switch {
		case f.shape == cancelled:
			err = l.executeAndCancel(ctx, service, f, process)
		case f.shape == approval && n%8 < 4: // the others are left waiting
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

// fails notes an error that is not the end of the server.
func (l *flows) fails(err error) {
	if answer, ok := errors.AsType[*aureus.Error](err); ok && answer.StatusCode == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, err)
}

func (l *flows) execute(ctx context.Context, service *aureus.Client, f *flow, process int) error {
	f.known = false
	var answer executed
	if err := service.Call(ctx, "POST", "/workflows/execute", f.request(), &answer); err != nil {
		return err
	}
	f.said(process, answer)
	l.answered.Add(1)
	return nil
}

// approve approves what the workflow waits for, and goes on with it.
func (l *flows) approve(ctx context.Context, service *aureus.Client, f *flow, process int) error {
	operator := service.With(aureus.WithAPIKey(killOperator))
	for _, token := range f.tokens {
		asked, err := operator.Approval(ctx, token)
		if err != nil {
			return err
		}
		if asked.Status != aureus.ApprovalPending {
			continue // before the server was killed
		}
		f.known = false // once it is approved, it goes on by itself
		if _, err := operator.Approve(ctx, token, asked.ActionDigest, ""); err != nil {
			return err
		}
	}
	return l.execute(ctx, service, f, process)
}

// executeAndCancel cancels the workflow while its slow task is under way.
func (l *flows) executeAndCancel(ctx context.Context, service *aureus.Client, f *flow, process int) error {
	var answer executed
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
				said, err := service.CancelWorkflow(ctx, f.id)
				if err != nil {
					return err
				}
				l.answered.Add(1)
				if said.Cancelled {
					f.said(process, executed{Status: said.Status})
				}
				return nil
			}
		}
	}
	errCancel := cancel()
	if err := <-ended; err != nil {
		return err // what cancel was answered, if it was, stands
	}
	f.said(process, answer)
	l.answered.Add(1)
	return errCancel
}

const (
	wait = 20 * time.Second
	tick = time.Millisecond
)
