package controlplane

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/controlplane/internal/workflow"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// What a task may give back, and all tasks of a run together, in bytes of JSON;
// and the tools under way in this process at once.
const (
	maxResult    = 1 << 20
	maxResults   = 16 << 20
	maxToolCalls = 1000
)

// toolCalls are the tools under way, with those that were left behind because
// they did not end in time. The zero value has none.
type toolCalls struct {
	mu    sync.Mutex
	n     int
	ended chan struct{} // not nil: closed when there is none left
}

// enter counts a tool in, unless there are too many.
func (c *toolCalls) enter() (leave func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == maxToolCalls {
		return nil, false
	}
	c.n++
	return c.leave, true
}

func (c *toolCalls) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
	if c.n == 0 && c.ended != nil {
		close(c.ended)
		c.ended = nil
	}
}

// wait waits for the tools, which have been asked to end, and gives the number
// of those that have not after so long.
func (c *toolCalls) wait(most time.Duration) int {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return 0
	}
	if c.ended == nil {
		c.ended = make(chan struct{})
	}
	ended := c.ended
	c.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-ended:
		return 0
	case <-timer.C:
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.n
	}
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
	leave, ok := h.server.runs.tools.enter()
	if !ok {
		return nil, fmt.Errorf("%d tools are under way, those that did not end in time among them", maxToolCalls)
	}
	defer leave()
	call.Tenant, call.Principal = h.caller.Tenant, h.principal().ID
	call.WorkflowID, call.RunID = h.request.Workflow.ID, h.stored.ID
	call.CorrelationID = h.request.CorrelationID
	for given, values := range map[*map[string]any]map[string]any{
		&call.Inputs: call.Inputs, &call.Results: call.Results, &call.Context: inputsOf(h.request.Context),
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
	if err != nil || result == nil || call.Compensation {
		return nil, err
	}
	text, err := strictjson.MarshalText(result)
	switch {
	case err != nil:
		return nil, &workflow.Final{Reason: "the tool's result has no JSON form: " + err.Error()}
	case len(text) > maxResult:
		return nil, &workflow.Final{Reason: fmt.Sprintf("the tool's result is larger than %d bytes", maxResult)}
	}
	parsed, err := strictjson.Parse(text)
	if err != nil {
		return nil, &workflow.Final{Reason: "the tool's result: " + err.Error()}
	}
	why, err := h.noRoom(ctx, text, parsed)
	switch {
	case err != nil:
		return nil, err
	case why != "":
		return nil, &workflow.Final{Reason: why}
	}
	return parsed, nil
}

// noRoom counts a result in and charges it to the run's key, or says why there is
// no room for it.
func (h *runHost) noRoom(ctx context.Context, text []byte, result any) (why string, err error) {
	values, _ := jsonvalue.Weight(result)
	switch {
	case jsonvalue.DeeperThan(result, maxResultDepth):
		return fmt.Sprintf("the tool's result is nested more than %d levels deep", maxResultDepth), nil
	case h.results.Add(int64(len(text))) > maxResults:
		return fmt.Sprintf("the results of the workflow's tasks are together larger than %d bytes", maxResults), nil
	case h.values.Add(int64(values)) > maxResultValues:
		return fmt.Sprintf("the results of the workflow's tasks have together more than %d values", maxResultValues), nil
	}
	if err = h.slot.Charge(ctx, governor.Weigh(text)); errors.Is(err, governor.ErrNoTurn) {
		return "the tool's result takes more memory than this key may have now", nil
	}
	return "", err
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
