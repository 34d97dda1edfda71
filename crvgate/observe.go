package crvgate

import (
	"context"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// Report tells an observer of one judgement ([Gate.Observe]).
type Report struct {
	Result             aureus.GateResult
	ChangeID           string
	Metadata           map[string]any // of the change; shared, not to be modified
	RequiredConfidence float64        // 0 is no threshold
	Duration           time.Duration  // from the question to the answer
}

// Commit is what the report knows of the change in the wire's form: id and
// metadata, without the data.
func (r Report) Commit() aureus.Commit {
	return aureus.Commit{ID: r.ChangeID, Metadata: r.Metadata}
}

// tell informs the observers. The judgement is made; they get copies of the
// list of results and a context that a caller's cancellation does not reach.
func (s *settings) tell(ctx context.Context, id string, metadata map[string]any, result aureus.GateResult, started time.Time) {
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
		tellOne(ctx, observer, report)
	}
}

func tellOne(ctx context.Context, observer func(context.Context, Report), report Report) {
	defer func() { _ = recover() }() // documented: recording never hurts what is recorded
	observer(ctx, report)
}

// CRVResultEvent is the one crv_result event of a judgement (SPEC 4.1, 5.1), and
// false where the commit's metadata lacks workflowId or taskId, both text.
func CRVResultEvent(commit aureus.Commit, result aureus.GateResult) (aureus.TelemetryEvent, bool) {
	workflow, _ := commit.Metadata["workflowId"].(string)
	task, _ := commit.Metadata["taskId"].(string)
	if workflow == "" || task == "" {
		return aureus.TelemetryEvent{}, false
	}
	data := map[string]any{
		"gateName": result.GateName,
		"passed":   result.Passed,
		"blocked":  result.BlockedCommit,
	}
	if result.FailureCode != "" {
		data["failureCode"] = string(result.FailureCode)
	}
	return aureus.TelemetryEvent{
		Type: aureus.EventCRVResult, Timestamp: result.Timestamp, WorkflowID: workflow, TaskID: task, Data: data,
	}, true
}
