package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

const runsUsage = `Look at the runs of workflows.

Usage:

  aureus runs [--since DURATION] [--limit N] [--output json]
  aureus runs ID [--output json]

Without an ID it lists the workflows that did something lately, the last ones first, each
with its latest run. ID is that of a workflow. It needs the key of an operator, or of the
service that started the run. The control plane and the key are found as by "aureus
approvals". Exit codes: 0 done, 1 it failed, 2 invalid arguments.
`

// maxRunEvents limits how many events are read to find the workflows of a list.
const maxRunEvents = 20_000

// runs shows the run of one workflow, or lists several.
func runs(ctx context.Context, c *policyCommand) error {
	since := c.flags.Duration("since", 24*time.Hour, "how far back the list looks")
	limit := c.flags.Int("limit", 20, "how many workflows are listed, 1 to 200")
	return c.withServer(ctx, func(ctx context.Context, client *aureus.Client) error {
		if id := c.flags.Arg(0); id != "" {
			return c.showRun(ctx, client, id)
		}
		if *limit < 1 || *limit > 200 || *since <= 0 {
			return errors.New("--limit must be from 1 to 200, and --since more than 0")
		}
		return c.listRuns(ctx, client, *since, *limit)
	}, "[ID]")
}

func (c *policyCommand) showRun(ctx context.Context, client *aureus.Client, id string) error {
	run, err := client.WorkflowStatus(ctx, id)
	if errors.Is(err, aureus.ErrNotFound) {
		return fmt.Errorf("there is no run of the workflow %.60q that this key may see; aureus runs lists those of the last day: %w", id, err)
	}
	if err != nil {
		return err
	}
	if c.out.json {
		return c.out.print(run)
	}
	rows := [][]string{
		{"workflow", run.WorkflowID},
		{"run", run.RunID},
		{"status", run.Status},
		{"progress", fmt.Sprintf("%.0f%%", 100*max(0, min(run.Progress, 1)))},
		{"started", shortTime(run.StartedAt) + " by " + run.Subject},
	}
	for _, row := range [][]string{{"ended", shortTime(run.CompletedAt)}, {"current task", run.CurrentTask}, {"correlation", run.CorrelationID}, {"error", run.Error}} {
		if row[1] != "" {
			rows = append(rows, row)
		}
	}
	if err := c.table(rows); err != nil {
		return err
	}
	rows = [][]string{{"TASK", "STATUS", "TIME", "RESULT"}}
	for _, id := range slices.Sorted(maps.Keys(run.Tasks)) {
		rows = append(rows, taskRow(id, run.Tasks[id]))
	}
	if len(rows) > 1 {
		if err := c.printf("\n"); err != nil {
			return err
		}
		if err := c.table(rows); err != nil {
			return err
		}
	}
	for _, p := range run.PendingApprovals {
		if err := c.wrapped(fmt.Sprintf("  The task %s waits for %s (%s): %s", shown(p.TaskID), shown(p.ApprovalToken), shown(string(p.Status)), shown(p.Next))); err != nil {
			return err
		}
	}
	return nil
}

// maxResult limits the text of a task's result in a table, in bytes.
const maxResult = 500

func taskRow(id string, task aureus.TaskResult) []string {
	status, duration, result := task.Status, "-", task.Error
	if task.Compensated {
		status += ", undone"
	}
	if task.Reused {
		status += ", reused"
	}
	if task.DurationMS != nil {
		duration = millis(*task.DurationMS)
	}
	if result == "" && task.Result != nil {
		result = jsonText(task.Result)
	}
	if len(result) > maxResult {
		result = strings.ToValidUTF8(result[:maxResult], "") + "…"
	}
	return []string{id, status, duration, result}
}

func (c *policyCommand) listRuns(ctx context.Context, client *aureus.Client, since time.Duration, limit int) error {
	var ids []string // the workflows, the last that did something last
	n, more := 0, false
	query := aureus.EventQuery{Source: "server", StartTime: aureus.TimestampOf(time.Now().Add(-since))}
	for event, err := range client.Events(ctx, query) {
		if err != nil {
			return err
		}
		n++
		if n > maxRunEvents {
			more = true
			break
		}
		if event.WorkflowID == "" || len(ids) > 0 && ids[len(ids)-1] == event.WorkflowID {
			continue
		}
		if at := slices.Index(ids, event.WorkflowID); at >= 0 {
			ids = slices.Delete(ids, at, at+1)
		} else if len(ids) == limit {
			ids = slices.Delete(ids, 0, 1)
		}
		ids = append(ids, event.WorkflowID)
	}
	list := []aureus.WorkflowStatus{}
	rows := [][]string{{"WORKFLOW", "STATUS", "DONE", "STARTED", "BY", "WAITS FOR"}}
	for _, id := range slices.Backward(ids) {
		run, err := client.WorkflowStatus(ctx, id)
		if errors.Is(err, aureus.ErrNotFound) {
			continue // a decision that names a workflow that does not run here
		}
		if err != nil {
			return err
		}
		list = append(list, run)
		var waits []string
		for _, p := range run.PendingApprovals {
			waits = append(waits, p.ApprovalToken)
		}
		rows = append(rows, []string{
			id, run.Status, fmt.Sprintf("%.0f%%", 100*max(0, min(run.Progress, 1))), shortTime(run.StartedAt), run.Subject, orDash(strings.Join(waits, ", ")),
		})
	}
	if c.out.json {
		return c.out.print(list)
	}
	if len(list) == 0 {
		return c.printf("No workflow did anything in the last %s.\n", since)
	}
	if err := c.table(rows); err != nil {
		return err
	}
	if more {
		return c.wrapped("There were more events than are read: a shorter --since lists what happened last.")
	}
	return nil
}

// millis is a number of milliseconds for people.
func millis(ms float64) string {
	d := time.Duration(max(0, min(ms, 1e12)) * float64(time.Millisecond))
	switch {
	case d < time.Second:
		return d.Round(10 * time.Microsecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return roughly(d)
}
