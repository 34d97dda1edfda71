package telemetry

import (
	"context"
	"database/sql"
	"math"

	"github.com/farmountain/aureus-go/aureus"
)

// maxTaskTypes bounds the success rates of one summary.
const maxTaskTypes = 10_000

// Summary derives the figures of a summary, which docs/spec/telemetry.md#summary
// defines, from the events of the range. Events
// without a readable time count where there is no range, and never towards the
// time to recovery. It holds one event in memory at a time. StartTime and
// EndTime are left to the caller.
func (s *Store) Summary(ctx context.Context, tenant string, within Range) (aureus.Summary, error) {
	none := aureus.Summary{}
	if s.closed.Load() {
		return none, ErrClosed
	}
	ctx, leave, err := s.options.LetIn(ctx, tenant)
	if err != nil {
		return none, err
	}
	defer leave()
	tx, err := s.reader.BeginTx(ctx, &sql.TxOptions{ReadOnly: true}) // both queries see the same events
	if err != nil {
		return none, readError(ctx, err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	summary, err := countEvents(ctx, tx, tenant, within)
	if err != nil {
		return none, readError(ctx, err)
	}
	var steps stepFigures
	if err := steps.read(ctx, tx, tenant, within); err != nil {
		return none, readError(ctx, err)
	}
	steps.fill(&summary)
	return summary, nil
}

const rangeClause = " AND (sec, nsec) >= (?, ?) AND (sec, nsec) <= (?, ?)"

// rangeArgs are the arguments, those of rangeClause last.
func rangeArgs(within Range, args ...any) []any {
	after, upTo := within.bounds()
	return append(args, after.sec, after.nsec, upTo.sec, upTo.nsec)
}

func countEvents(ctx context.Context, tx *sql.Tx, tenant string, within Range) (summary aureus.Summary, err error) {
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM events INDEXED BY events_by_time WHERE tenant = ?"+rangeClause,
		rangeArgs(within, tenant)...).Scan(&summary.TotalEvents)
	if err != nil {
		return summary, err
	}
	var own, ownEscalated, all, escalated int64
	err = tx.QueryRowContext(ctx,
		"SELECT coalesce(sum(own), 0), coalesce(sum(own AND escalated), 0), count(*), coalesce(sum(escalated), 0)"+
			" FROM events INDEXED BY events_by_type WHERE tenant = ? AND type = ?"+rangeClause,
		rangeArgs(within, tenant, string(aureus.EventPolicyCheck))...).Scan(&own, &ownEscalated, &all, &escalated)
	if err != nil {
		return summary, err
	}
	if own > 0 { // what was reported says nothing of what was decided here
		summary.PolicyChecks, summary.PolicyChecksReported = own, all-own
		escalated, all = ownEscalated, own
	}
	summary.HumanEscalationRate = ratio(float64(escalated), all)
	return summary, nil
}

// stepFigures gathers what the step_end events tell.
type stepFigures struct {
	types      map[string]*outcomes
	successes  int64
	duration   float64 // of the successes, milliseconds
	recoveries int64
	recovering float64 // milliseconds
}

type outcomes struct{ all, good int64 }

// step is one step_end event.
type step struct {
	workflow, task, taskType string
	success                  bool
	duration                 float64
	at                       instant
}

// read takes the steps grouped by workflow and task, and by time within: a
// recovery then needs no more memory than the failure before it.
func (f *stepFigures) read(ctx context.Context, tx *sql.Tx, tenant string, within Range) error {
	rows, err := tx.QueryContext(ctx,
		"SELECT workflow_id, task_id, task_type, success, duration, sec, nsec FROM events INDEXED BY events_by_type"+
			" WHERE tenant = ? AND type = ?"+rangeClause+" ORDER BY workflow_id, task_id, sec, nsec, seq",
		rangeArgs(within, tenant, string(aureus.EventStepEnd))...)
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var failed *step   // the first failure since the last success of the same task
	for rows.Next() {
		var s step
		if err := rows.Scan(&s.workflow, &s.task, &s.taskType, &s.success, &s.duration, &s.at.sec, &s.at.nsec); err != nil {
			return err
		}
		if failed != nil && (failed.workflow != s.workflow || failed.task != s.task) {
			failed = nil
		}
		if err := f.add(s); err != nil {
			return err
		}
		switch {
		case s.workflow == "" || s.task == "" || s.at == untimed: // nothing to recover, or no telling when
		case !s.success && failed == nil:
			failed = &s
		case s.success && failed != nil:
			f.recoveries++
			f.recovering += s.at.millisSince(failed.at)
			failed = nil
		}
	}
	return rows.Err()
}

func (f *stepFigures) add(s step) error {
	name := s.taskType
	if name == "" {
		name = "unknown"
	}
	if f.types == nil {
		f.types = map[string]*outcomes{}
	}
	o := f.types[name]
	if o == nil {
		if len(f.types) == maxTaskTypes {
			return ErrTooManyTypes
		}
		o = &outcomes{}
		f.types[name] = o
	}
	o.all++
	if s.success {
		o.good++
		f.successes++
		f.duration += s.duration
	}
	return nil
}

func (f *stepFigures) fill(summary *aureus.Summary) {
	summary.TaskSuccessRateByType = make(map[string]float64, len(f.types))
	for name, o := range f.types {
		summary.TaskSuccessRateByType[name] = ratio(float64(o.good), o.all)
	}
	summary.MTTRMS = ratio(f.recovering, f.recoveries)
	summary.CostPerSuccessMS = ratio(f.duration, f.successes)
}

// ratio is 0 of none, and always a number that JSON can write.
func ratio(sum float64, of int64) float64 {
	r := sum / float64(of)
	if of == 0 || math.IsNaN(r) {
		return 0
	}
	return max(-math.MaxFloat64, min(r, math.MaxFloat64))
}
