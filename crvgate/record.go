package crvgate

import (
	"context"

	"github.com/farmountain/aureus-go/aureus"
)

// Recorder takes gate results for an audit log, as [aureus.Recorder] does. It is
// safe for concurrent use and does not wait.
type Recorder interface {
	RecordGate(ctx context.Context, record aureus.GateRecord)
}

// Record is an observer for [Gate.Observe] that puts each judgement into the audit
// log: the gate's name, what it came to and the change's id, with the decision
// that allowed the change if the context has one ([aureus.DecisionFromContext]).
// The data of the change and the reasons of validators are not recorded. It panics
// when the recorder is nil.
//
//	gate := crvgate.New("ledger", noOverdraft).Observe(crvgate.Record(recorder))
func Record(recorder Recorder) func(context.Context, Report) {
	if recorder == nil {
		panic("crvgate: Record(nil): there is nobody to record")
	}
	return func(ctx context.Context, report Report) {
		record := report.Result.Record()
		record.CommitID = report.ChangeID
		recorder.RecordGate(ctx, record)
	}
}
