package workflow

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
)

type vector struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Input struct {
		Workflow  aureus.WorkflowSpec        `json:"workflow"`
		Behaviour map[string]json.RawMessage `json:"behaviour"`
		Random    float64                    `json:"random"`
		Fails     []string                   `json:"compensation_fails"`
		Policy    string                     `json:"policy"`
		Principal *aureus.Principal          `json:"principal"`
		Tools     []struct {
			Name      string `json:"name"`
			Available bool   `json:"available"`
		} `json:"tools"`
	} `json:"input"`
	Expected struct {
		Status string   `json:"workflow_status"`
		Order  []string `json:"execution_order"`
		States map[string]struct {
			Status   string `json:"status"`
			Attempt  int    `json:"attempt"`
			HasError bool   `json:"has_error"`
		} `json:"task_states"`
		Delays        []float64 `json:"retry_delays_ms"`
		Compensations []struct {
			Tool    string `json:"tool"`
			ForTask string `json:"for_task"`
		} `json:"compensations"`
		Telemetry []string        `json:"telemetry"`
		Valid     bool            `json:"valid"`
		Errors    []checkerResult `json:"errors"`
		Warnings  []checkerResult `json:"warnings"`
	} `json:"expected"`
}

type checkerResult struct {
	Rule  string   `json:"rule"`
	Tasks []string `json:"tasks"`
}

func vectors(t *testing.T) []vector {
	t.Helper()
	text, err := os.ReadFile("testdata/kernel.json")
	require.NoError(t, err)
	var file struct {
		Count   int      `json:"count"`
		Vectors []vector `json:"vectors"`
	}
	require.NoError(t, json.Unmarshal(text, &file))
	require.Len(t, file.Vectors, file.Count)
	return file.Vectors
}

// scriptedHost is a host whose tasks behave as a test case says.
type scriptedHost struct {
	v              vector
	mu             sync.Mutex // a task that has timed out may still be running
	executionOrder []string
	telemetry      []string
	delays         []float64
	compensations  [][2]string
	saved          []string
	failSave       int // the number of the Save that fails, from 1
}

func (h *scriptedHost) Admit(_ context.Context, call Call) (Admission, error) {
	task := call.Task
	if box := task.SandboxConfig; box != nil && box.Type == "container" {
		return Admission{Allowed: true}, nil // Execute refuses it
	}
	if len(h.v.Input.Tools) > 0 && task.ToolName != "" {
		for _, tool := range h.v.Input.Tools {
			if tool.Name == task.ToolName {
				return Admission{Allowed: tool.Available, Reason: "not available"}, nil
			}
		}
		return Admission{Reason: "no such tool"}, nil
	}
	if h.v.Input.Principal != nil {
		h.telemetry = append(h.telemetry, "policy_check:"+task.ID)
		if len(task.AllowedTools) > 0 && task.AllowedTools[0] != task.ToolName {
			return Admission{Reason: "not allowed"}, nil
		}
	}
	return Admission{Allowed: true}, nil
}

func (h *scriptedHost) Execute(ctx context.Context, call Call) (any, error) {
	id := call.Task.ID
	if box := call.Task.SandboxConfig; box != nil && box.Enabled && box.Type == "container" {
		return nil, &Final{Reason: "no sandbox"}
	}
	h.mu.Lock()
	h.executionOrder = append(h.executionOrder, id)
	h.mu.Unlock()
	var steps []struct {
		Result  any    `json:"result"`
		Error   string `json:"error"`
		SleepMS int    `json:"sleep_ms"`
	}
	if script := h.v.Input.Behaviour[id]; script != nil {
		if script[0] != '[' {
			script = []byte("[" + string(script) + "]")
		}
		if err := json.Unmarshal(script, &steps); err != nil {
			return nil, err
		}
		step := steps[min(call.Attempt, len(steps))-1]
		select {
		case <-time.After(time.Duration(step.SleepMS) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		if step.Error != "" {
			return nil, errors.New(step.Error)
		}
	}
	return map[string]any{"ok": true}, nil
}

func (h *scriptedHost) BeforeUndo(context.Context, *aureus.TaskSpec) error { return nil }

func (h *scriptedHost) Compensate(_ context.Context, task *aureus.TaskSpec, action aureus.CompensationAction) error {
	h.compensations = append(h.compensations, [2]string{action.Tool, task.ID})
	if slices.Contains(h.v.Input.Fails, action.Tool) {
		return errors.New("cannot be undone")
	}
	return nil
}

func (h *scriptedHost) Report(kind aureus.TelemetryEventType, task *aureus.TaskSpec, data map[string]any) {
	switch kind {
	case aureus.EventStepStart:
		h.telemetry = append(h.telemetry, "step_start:"+task.ID)
	case aureus.EventStepEnd:
		end := "fail"
		if ok, _ := data["success"].(bool); ok {
			end = "ok"
		}
		h.telemetry = append(h.telemetry, "step_end:"+task.ID+":"+end)
	}
}

var errDisk = errors.New("the disk is full")

func (h *scriptedHost) Save(_ context.Context, state *State) error {
	text, err := json.Marshal(state)
	if h.failSave == len(h.saved)+1 {
		return errDisk
	}
	h.saved = append(h.saved, string(text))
	return err
}

func (h *scriptedHost) Sleep(ctx context.Context, wait time.Duration) error {
	h.delays = append(h.delays, float64(wait)/float64(time.Millisecond))
	return ctx.Err()
}

func (h *scriptedHost) Random() float64 { return h.v.Input.Random }
func (h *scriptedHost) Now() time.Time  { return time.Now() }

// perAttemptTelemetry holds the cases in which this package differs from the
// original on purpose: each attempt has a step_end event, and so has a refused
// task.
var perAttemptTelemetry = map[string][]string{
	"retry_jitter_low":         {"step_start:a", "step_end:a:fail", "step_start:a", "step_end:a:fail", "step_start:a", "step_end:a:fail"},
	"retry_jitter_mid":         {"step_start:a", "step_end:a:fail", "step_start:a", "step_end:a:fail", "step_start:a", "step_end:a:fail"},
	"retry_jitter_high":        {"step_start:a", "step_end:a:fail", "step_start:a", "step_end:a:fail"},
	"policy_tool_not_allowed":  {"step_start:a", "policy_check:a", "step_end:a:fail"},
	"feasibility_tool_unknown": {"step_start:a", "step_end:a:fail"},
}

// The cases of the original. Words of the API differ: completed is success
// here, and partial does not occur there.
func TestRun_ConformanceVectors_AgreeWithTheOriginal(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t) {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			if v.Kind == "workflow_checker" {
				checkSafetyVector(t, v)
				return
			}
			synctest.Test(t, func(t *testing.T) {
				host, state := &scriptedHost{v: v}, NewState()
				require.Empty(t, Check(&v.Input.Workflow))
				require.NoError(t, Run(t.Context(), t.Context(), &v.Input.Workflow, state, host))
				require.Equal(t, map[string]string{"completed": Success, "failed": Failed}[v.Expected.Status], state.Status)
				require.Equal(t, v.Expected.Order, append([]string{}, host.executionOrder...))
				require.InDeltaSlice(t, v.Expected.Delays, append([]float64{}, host.delays...), 0.001)
				for id, want := range v.Expected.States {
					got := state.Tasks[id]
					require.NotNil(t, got, id)
					require.Equal(t, want.Status, got.Status, id)
					require.Equal(t, want.Attempt, got.Attempt, id)
					if !strings.Contains(v.Name, "compensation_fails") { // here the error of a failed compensation is in the task
						require.Equal(t, want.HasError, got.Error != "", id)
					}
				}
				require.Len(t, host.compensations, len(v.Expected.Compensations))
				for i, want := range v.Expected.Compensations {
					require.Equal(t, [2]string{want.Tool, want.ForTask}, host.compensations[i])
				}
				if fixed, ok := perAttemptTelemetry[v.Name]; ok {
					require.NotEqual(t, v.Expected.Telemetry, fixed, "the case no longer differs: remove it from perAttemptTelemetry")
					v.Expected.Telemetry = fixed
				}
				require.Equal(t, v.Expected.Telemetry, host.telemetry)
			})
		})
	}
}

// checkSafetyVector runs a case of the safety policy. An unknown rule, which
// the original ignores, is a warning here.
func checkSafetyVector(t *testing.T, v vector) {
	t.Helper()
	rules, failFast := defaultRules, false
	switch v.Input.Policy {
	case "default":
	case "permissive":
		rules = []rule{{kind: ruleNoCycles}}
	case "strict, fail fast", "strict":
		rules, failFast = []rule{{kind: ruleAfterCritical}, {kind: rulePermissions}, {kind: ruleCompensation}, {kind: ruleNoCycles}}, strings.HasSuffix(v.Input.Policy, "fast")
	case "unknown rule type":
		_, warnings := checkRules(&v.Input.Workflow, []rule{{kind: "no_such_rule"}}, false)
		require.Len(t, warnings, 1)
		return
	default:
		followers, ok := strings.CutPrefix(v.Input.Policy, "approvedFollowers: ")
		require.True(t, ok, v.Input.Policy)
		rules = []rule{{kind: ruleAfterCritical, followers: strings.Split(followers, ", ")}}
	}
	violations, warnings := checkRules(&v.Input.Workflow, rules, failFast)
	require.Equal(t, v.Expected.Errors, toCheckerResults(violations))
	require.Equal(t, v.Expected.Warnings, toCheckerResults(warnings))
}

func toCheckerResults(list []aureus.SafetyViolation) []checkerResult {
	results := []checkerResult{}
	for _, v := range list {
		results = append(results, checkerResult{v.Rule, v.Tasks})
	}
	return results
}
