package main

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

// workflowCheck compares what the server reported about workflows before and
// after it was killed, and what their tools did.
type workflowCheck struct {
	journal journalReader

	ends                       map[string]int // the number of workflows, by shape and status
	interrupted, waited, again int
}

func (c *workflowCheck) String() string {
	return fmt.Sprintf("%d were running when the server was killed, and %d waited for an approval; %d tasks ran twice",
		c.interrupted, c.waited, c.again)
}

// checkAll brings every workflow to its end, and checks those that had ended
// before.
func (c *workflowCheck) checkAll(t *testing.T, listenAddress string, list *workflowList, process int) {
	t.Helper()
	service := clientFor(t, listenAddress, "")
	kept := list.all[:0]
	for _, f := range list.all {
		if !f.known && !c.waitForEnd(t, service, f, process) {
			continue // the server never received it
		}
		c.checkStatus(t, service, f)
		if f.status == "awaiting_approval" {
			c.waited++
			require.NoError(t, list.approve(t.Context(), service, f, process))
			c.checkStatus(t, service, f)
		}
		require.Contains(t, f.ends, f.status, f.id)
		if !f.counted {
			f.counted = true
			c.ends[f.name+" "+f.status]++
		}
		kept = append(kept, f)
	}
	list.all = kept
	c.journal.read(t)
	known := map[string]bool{}
	c.again = 0
	for _, f := range list.all {
		known[f.id] = true
		c.checkExecutions(t, f)
	}
	for id := range c.journal.lines {
		require.True(t, known[id], "the workflow %s has run, but the server does not know it", id)
	}
}

// waitForEnd waits until the workflow ends without further requests. It returns
// false for a workflow that the server never accepted.
func (c *workflowCheck) waitForEnd(t *testing.T, service *aureus.Client, f *testWorkflow, process int) bool {
	t.Helper()
	var status aureus.WorkflowStatus
	missing := false
	require.Eventually(t, func() bool {
		var err error
		status, err = service.WorkflowStatus(t.Context(), f.id)
		answer, ok := errors.AsType[*aureus.Error](err)
		missing = ok && answer.StatusCode == http.StatusNotFound
		approved := slices.ContainsFunc(status.PendingApprovals, func(p aureus.PendingApproval) bool { return p.Status == aureus.ApprovalApproved })
		return missing || err == nil && status.Status != "running" && !approved // an approved workflow continues by itself
	}, wait, tick, "%s does not end", f.id)
	if missing {
		require.Empty(t, f.done, "%s is lost", f.id)
		return false
	}
	c.interrupted++
	answer := executeResponse{Status: status.Status, TaskResults: status.Tasks}
	f.record(process, answer)
	if status.Status == "awaiting_approval" {
		c.journal.read(t)
		begun := slices.ContainsFunc(c.journal.lines[f.id], func(line journalLine) bool { return line.TaskID == "pay" })
		require.False(t, begun, "%s asks for another approval of a task that had started with one", f.id)
		// Executing it again returns the tokens of its approvals.
		require.NoError(t, (&workflowList{}).execute(t.Context(), service, f, process))
	}
	return true
}

// checkStatus checks the status and the results that were reported.
func (c *workflowCheck) checkStatus(t *testing.T, service *aureus.Client, f *testWorkflow) {
	t.Helper()
	status, err := service.WorkflowStatus(t.Context(), f.id)
	require.NoError(t, err, f.id)
	require.Equal(t, f.status, status.Status, f.id)
	if f.tasks == nil {
		f.record(f.process, executeResponse{Status: f.status, TaskResults: status.Tasks})
	}
	require.Equal(t, f.tasks, status.Tasks, f.id)
	for id := range f.done {
		require.Equal(t, "success", status.Tasks[id].Status, "%s had done %s", f.id, id)
	}
}

// checkExecutions checks that the tasks were executed in order: a task that was
// reported as successful, or after which a later task was executed, was never
// executed again.
func (c *workflowCheck) checkExecutions(t *testing.T, f *testWorkflow) {
	t.Helper()
	lines := c.journal.lines[f.id]
	step := func(line journalLine) int {
		i := slices.IndexFunc(f.workflowShape.tasks, func(task aureus.TaskSpec) bool { return task.ID == line.TaskID })
		if line.Undo {
			i = 2*len(f.workflowShape.tasks) - 1 - i // compensations run in reverse order
		}
		return i
	}
	keys, processes, results := map[int]string{}, map[int]int{}, map[int]string{}
	furthest, process := 0, 0
	for _, line := range lines {
		at := step(line)
		// A cancellation does not wait for the tool, which may start or end after a
		// compensation.
		if leftBehind := f.status == "cancelled" && line.TaskID == "b" && line.Process == process; !leftBehind {
			require.GreaterOrEqual(t, at, furthest, "%s executed an earlier task again: %+v", f.id, lines)
		}
		furthest, process = max(furthest, at), line.Process
		require.LessOrEqual(t, line.Process, f.process, "%s continued after its end: %+v", f.id, lines)
		if line.Result != "" {
			results[at] = line.Result
			continue
		}
		if key, before := keys[at]; before {
			require.Equal(t, key, line.Key, "%s: %+v", f.id, lines)
			c.again++
			require.Greater(t, line.Process, processes[at], "%s executed a task twice in one process: %+v", f.id, lines)
		}
		if reported, done := f.done[line.TaskID]; done && !line.Undo {
			require.LessOrEqual(t, line.Process, reported, "%s executed %s again: %+v", f.id, line.TaskID, lines)
		}
		keys[at], processes[at] = line.Key, line.Process
	}
	for i, task := range f.workflowShape.tasks {
		result := f.tasks[task.ID]
		if result.Status != "success" {
			require.Nil(t, result.Result, f.id)
			continue
		}
		require.Equal(t, results[i], result.Result, "%s: the result of %s", f.id, task.ID)
		if undone := 2*len(f.workflowShape.tasks) - 1 - i; task.CompensationAction != nil && f.status != "success" {
			require.NotEmpty(t, results[undone], "%s did not undo %s: %+v", f.id, task.ID, lines)
		} else {
			require.Empty(t, results[undone], "%s undid %s: %+v", f.id, task.ID, lines)
		}
	}
}
