package crvgate

import (
	"context"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Report describes one judgement for an observer; see [Gate.Observe].
type Report struct {
	Result             aureus.GateResult
	ChangeID           string
	Metadata           map[string]any // of the change; it is shared and must not be modified
	RequiredConfidence float64        // 0 means no threshold
	Duration           time.Duration  // how long the judgement took
}

// Event returns the telemetry event of type crv_result for the judgement. ok is false
// unless the metadata of the change has workflowId and taskId, both non-empty strings:
// every event needs them. A control plane creates this event itself for the gates that
// it runs.
func (r Report) Event() (event aureus.TelemetryEvent, ok bool) {
	workflow, _ := r.Metadata["workflowId"].(string)
	task, _ := r.Metadata["taskId"].(string)
	if workflow == "" || task == "" {
		return aureus.TelemetryEvent{}, false
	}
	data := map[string]any{
		"gateName": r.Result.GateName,
		"passed":   r.Result.Passed,
		"blocked":  r.Result.BlockedCommit,
	}
	if r.Result.FailureCode != "" {
		data["failureCode"] = string(r.Result.FailureCode)
	}
	return aureus.TelemetryEvent{
		Type: aureus.EventCRVResult, Timestamp: r.Result.Timestamp, WorkflowID: workflow, TaskID: task, Data: data,
	}, true
}

// notify calls the observers. Each gets its own copy of the list of results, and a
// context that is not cancelled with the caller's.
func (s *settings) notify(ctx context.Context, id string, metadata map[string]any, result aureus.GateResult, started time.Time) {
	if len(s.observers) == 0 {
		return
	}
	report := Report{
		Result: result, ChangeID: id, Metadata: metadata,
		RequiredConfidence: s.required, Duration: time.Since(started),
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx = context.WithoutCancel(ctx)
	for _, observer := range s.observers {
		report.Result.ValidationResults = slices.Clone(result.ValidationResults)
		notifyOne(ctx, observer, report)
	}
}

func notifyOne(ctx context.Context, observer func(context.Context, Report), report Report) {
	defer func() { _ = recover() }() // Gate.Observe documents this
	observer(ctx, report)
}
