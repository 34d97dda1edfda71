package sqlite

import (
	"database/sql"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// List implements [storage.Runs].
func (t runs) List(tenant string, f storage.RunFilter) (list []storage.RunHead, err error) {
	where, args := "tenant = ?", []any{tenant}
	if f.Before > 0 {
		where, args = where+" AND seq < ?", append(args, f.Before)
	}
	if f.Workflow != "" {
		where, args = where+" AND workflow_id = ?", append(args, f.Workflow)
	}
	if f.Subject != "" {
		where, args = where+" AND subject = ?", append(args, f.Subject)
	}
	if f.Open {
		where += " AND ended = 0"
	}
	err = t.each(func(rows *sql.Rows) error {
		var r storage.RunHead
		var startedAt int64
		err := rows.Scan(&r.Seq, &r.ID, &r.Subject, &r.KeyID, &r.WorkflowID, &r.Ended, &r.State, &startedAt, &r.Tasks)
		r.StartedAt = time.Unix(0, startedAt).UTC()
		list = append(list, r)
		return err
	}, `SELECT seq, run_id, subject, key_id, workflow_id, ended, state, started_at,
		(SELECT count(*) FROM run_tasks t WHERE t.run_id = runs.run_id) FROM runs WHERE `+where+` ORDER BY seq DESC LIMIT ?`, append(args, f.Limit)...)
	return list, err
}
