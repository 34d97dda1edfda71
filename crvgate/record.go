package crvgate

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// Recorder sends gate results to an audit log, as [aureus.Recorder] does. RecordGate must
// be safe for concurrent use and must not block.
type Recorder interface {
	RecordGate(ctx context.Context, record aureus.GateRecord)
}

// Record returns an observer for [Gate.Observe] that records each judgement in the audit
// log: the name and the decision of the gate, the id of the change, and the policy
// decision that allowed the change if the context has one
// ([aureus.DecisionFromContext]). It records neither the data of the change nor the
// reasons of validators. It panics if the recorder is nil.
//
//	gate := crvgate.New("ledger", noOverdraft).Observe(crvgate.Record(recorder))
func Record(recorder Recorder) func(context.Context, Report) {
	if recorder == nil {
		panic("crvgate: Record: the recorder is nil")
	}
	return func(ctx context.Context, report Report) {
		record := report.Result.Record()
		record.CommitID = report.ChangeID
		recorder.RecordGate(ctx, record)
	}
}
