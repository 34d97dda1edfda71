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

// flowCheck compares what was said about workflows, what is said after a kill,
// and what their tools did.
type flowCheck struct {
	journal journalReader

	ends                       map[string]int // by shape and word
	interrupted, waited, again int
}

func (c *flowCheck) String() string {
	return fmt.Sprintf("%d were under way when the server was killed, and %d waited for a person; %d tasks ran a second time",
		c.interrupted, c.waited, c.again)
}

// all brings every workflow to its end, and looks at those that had one before.
func (c *flowCheck) all(t *testing.T, address string, list *flows, process int) {
	t.Helper()
	service := clientFor(t, address, "")
	kept := list.all[:0]
	for _, f := range list.all {
		if !f.known && !c.comesToItsEnd(t, service, f, process) {
			continue // it never got to the server
		}
		c.stands(t, service, f)
		if f.status == "awaiting_approval" {
			c.waited++
			require.NoError(t, list.approve(t.Context(), service, f, process))
			c.stands(t, service, f)
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
		c.didOnce(t, f)
	}
	for id := range c.journal.lines {
		require.True(t, known[id], "the workflow %s, which the server does not know, has run", id)
	}
}

// comesToItsEnd waits for the end, without doing anything for it. It reports
// false for a workflow that the server never took.
func (c *flowCheck) comesToItsEnd(t *testing.T, service *aureus.Client, f *flow, process int) bool {
	t.Helper()
	var status aureus.WorkflowStatus
	missing := false
	require.Eventually(t, func() bool {
		var err error
		status, err = service.WorkflowStatus(t.Context(), f.id)
		answer, ok := errors.AsType[*aureus.Error](err)
		missing = ok && answer.StatusCode == http.StatusNotFound
		approved := slices.ContainsFunc(status.PendingApprovals, func(p aureus.PendingApproval) bool { return p.Status == aureus.ApprovalApproved })
		return missing || err == nil && status.Status != "running" && !approved // what is approved goes on by itself
	}, wait, tick, "%s does not come to an end", f.id)
	if missing {
		require.Empty(t, f.done, "%s is lost", f.id)
		return false
	}
	c.interrupted++
	answer := executed{Status: status.Status, TaskResults: status.Tasks}
	f.said(process, answer)
	if status.Status == "awaiting_approval" {
		c.journal.read(t)
		begun := slices.ContainsFunc(c.journal.lines[f.id], func(line execution) bool { return line.TaskID == "pay" })
		require.False(t, begun, "%s asks a person again for a task that had begun with an approval", f.id)
		// Asking once more tells the tokens.
		require.NoError(t, (&flows{}).execute(t.Context(), service, f, process))
	}
	return true
}

// stands wants the status that was said, and the results of the tasks.
func (c *flowCheck) stands(t *testing.T, service *aureus.Client, f *flow) {
	t.Helper()
	status, err := service.WorkflowStatus(t.Context(), f.id)
	require.NoError(t, err, f.id)
	require.Equal(t, f.status, status.Status, f.id)
	if f.tasks == nil {
		f.said(f.process, executed{Status: f.status, TaskResults: status.Tasks})
	}
	require.Equal(t, f.tasks, status.Tasks, f.id)
	for id := range f.done {
		require.Equal(t, "success", status.Tasks[id].Status, "%s had done %s", f.id, id)
	}
}

// didOnce wants of what the tools did that it went forward only: a task that was
// done, since somebody was told or a later one had begun, never ran again.
func (c *flowCheck) didOnce(t *testing.T, f *flow) {
	t.Helper()
	lines := c.journal.lines[f.id]
	place := func(line execution) int {
		i := slices.IndexFunc(f.shape.tasks, func(task aureus.TaskSpec) bool { return task.ID == line.TaskID })
		if line.Undo {
			i = 2*len(f.shape.tasks) - 1 - i // last one first
		}
		return i
	}
	keys, ran, results := map[int]string{}, map[int]int{}, map[int]string{}
	furthest, process := 0, 0
	for _, line := range lines {
		at := place(line)
		// Who cancels a task does not wait for its tool, which may only just begin.
		if leftBehind := f.status == "cancelled" && line.TaskID == "b" && line.Process == process; !leftBehind {
			require.GreaterOrEqual(t, at, furthest, "%s went back: %+v", f.id, lines)
		}
		furthest, process = max(furthest, at), line.Process
		require.LessOrEqual(t, line.Process, f.process, "%s went on after its end: %+v", f.id, lines)
		if line.Result != "" {
			results[at] = line.Result
			continue
		}
		if key, before := keys[at]; before {
			require.Equal(t, key, line.Key, "%s: %+v", f.id, lines)
			c.again++
			require.Greater(t, line.Process, ran[at], "%s did the same twice in one process: %+v", f.id, lines)
		}
		if told, done := f.done[line.TaskID]; done && !line.Undo {
			require.LessOrEqual(t, line.Process, told, "%s did %s again: %+v", f.id, line.TaskID, lines)
		}
		keys[at], ran[at] = line.Key, line.Process
	}
	for i, task := range f.shape.tasks {
		said := f.tasks[task.ID]
		if said.Status != "success" {
			require.Nil(t, said.Result, f.id)
			continue
		}
		require.Equal(t, results[i], said.Result, "%s: the result of %s", f.id, task.ID)
		if undone := 2*len(f.shape.tasks) - 1 - i; task.CompensationAction != nil && f.status != "success" {
			require.NotEmpty(t, results[undone], "%s did not undo %s: %+v", f.id, task.ID, lines)
		} else {
			require.Empty(t, results[undone], "%s undid %s: %+v", f.id, task.ID, lines)
		}
	}
}
