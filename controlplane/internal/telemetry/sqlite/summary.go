package sqlite

import (
	"context"
	"database/sql"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
)

// Summary implements [telemetry.Store].
func (s *Store) Summary(ctx context.Context, tenant string, within telemetry.Range) (aureus.Summary, error) {
	none := aureus.Summary{}
	if s.closed.Load() {
		return none, telemetry.ErrClosed
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
	steps, err := readSteps(ctx, tx, tenant, within)
	if err != nil {
		return none, readError(ctx, err)
	}
	steps.Fill(&summary)
	return summary, nil
}

const rangeClause = " AND (sec, nsec) >= (?, ?) AND (sec, nsec) <= (?, ?)"

// rangeArgs returns args followed by the arguments of rangeClause.
func rangeArgs(within telemetry.Range, args ...any) []any {
	after, upTo := within.Bounds()
	return append(args, after.Sec, after.Nsec, upTo.Sec, upTo.Nsec)
}

func countEvents(ctx context.Context, tx *sql.Tx, tenant string, within telemetry.Range) (summary aureus.Summary, err error) {
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM events INDEXED BY events_by_time WHERE tenant = ?"+rangeClause,
		rangeArgs(within, tenant)...).Scan(&summary.TotalEvents)
	if err != nil {
		return summary, err
	}
	var checks telemetry.Checks
	err = tx.QueryRowContext(ctx,
		"SELECT coalesce(sum(own), 0), coalesce(sum(own AND escalated), 0), count(*), coalesce(sum(escalated), 0)"+
			" FROM events INDEXED BY events_by_type WHERE tenant = ? AND type = ?"+rangeClause,
		rangeArgs(within, tenant, string(aureus.EventPolicyCheck))...).Scan(&checks.Own, &checks.OwnEscalated, &checks.All, &checks.Escalated)
	if err != nil {
		return summary, err
	}
	checks.Fill(&summary)
	return summary, nil
}

// readSteps reads the steps in the order that [telemetry.Steps.Add] requires.
func readSteps(ctx context.Context, tx *sql.Tx, tenant string, within telemetry.Range) (steps telemetry.Steps, err error) {
	rows, err := tx.QueryContext(ctx,
		"SELECT workflow_id, task_id, task_type, success, duration, sec, nsec FROM events INDEXED BY events_by_type"+
			" WHERE tenant = ? AND type = ?"+rangeClause+" ORDER BY workflow_id, task_id, sec, nsec, seq",
		rangeArgs(within, tenant, string(aureus.EventStepEnd))...)
	if err != nil {
		return steps, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err returns the error
	for rows.Next() {
		var s telemetry.Step
		if err := rows.Scan(&s.Workflow, &s.Task, &s.TaskType, &s.Success, &s.Duration, &s.At.Sec, &s.At.Nsec); err != nil {
			return steps, err
		}
		if err := steps.Add(s); err != nil {
			return steps, err
		}
	}
	return steps, rows.Err()
}
