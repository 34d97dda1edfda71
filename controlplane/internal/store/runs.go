package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// How many ended runs of a workflow are kept, and how many of all workflows of a
// tenant.
const (
	keptRuns         = 100
	keptRunsOfTenant = 10_000
)

// Run is a run of a workflow. Caller, Request, State and, by their ids, Tasks
// are JSON texts of the server's.
type Run struct {
	ID         string
	Tenant     string
	WorkflowID string
	Ended      bool
	Caller     string
	Request    string
	State      string
	Tasks      map[string]string
	StartedAt  time.Time
}

// AddRun keeps a new run, without tasks, and forgets the oldest ended ones of the
// workflow, and of the tenant.
func (t *Tx) AddRun(r Run) error {
	_, err := t.exec(`INSERT INTO runs (run_id, tenant, workflow_id, ended, caller, request, state, started_at) VALUES (?,?,?,?,?,?,?,?)`,
		r.ID, r.Tenant, r.WorkflowID, r.Ended, r.Caller, r.Request, r.State, r.StartedAt.UnixNano())
	if err != nil {
		return err
	}
	const old = ` FROM runs WHERE tenant = ? AND workflow_id = ? AND ended = 1 AND seq <= (
		SELECT seq FROM runs WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`
	which := []any{r.Tenant, r.WorkflowID, r.Tenant, r.WorkflowID, keptRuns}
	if _, err := t.exec(`DELETE FROM run_tasks WHERE run_id IN (SELECT run_id`+old+`)`, which...); err != nil {
		return err
	}
	if _, err = t.exec(`DELETE`+old, which...); err != nil {
		return err
	}
	const oldest = ` FROM runs WHERE tenant = ? AND ended = 1 AND seq <= (
		SELECT seq FROM runs WHERE tenant = ? AND ended = 1 ORDER BY seq DESC LIMIT 1 OFFSET ?)`
	which = []any{r.Tenant, r.Tenant, keptRunsOfTenant}
	if _, err := t.exec(`DELETE FROM run_tasks WHERE run_id IN (SELECT run_id`+oldest+`)`, which...); err != nil {
		return err
	}
	_, err = t.exec(`DELETE`+oldest, which...)
	return err
}

// SaveRun keeps how far a run is. tasks are those that have changed; an empty
// text forgets one.
func (t *Tx) SaveRun(tenant, id, state string, ended bool, tasks map[string]string) error {
	n, err := t.changed(`UPDATE runs SET state = ?, ended = ? WHERE tenant = ? AND run_id = ?`, state, ended, tenant, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	for task, text := range tasks {
		switch {
		case err != nil:
			return err
		case text == "":
			_, err = t.exec(`DELETE FROM run_tasks WHERE run_id = ? AND task_id = ?`, id, task)
		default:
			_, err = t.exec(`INSERT INTO run_tasks (tenant, run_id, task_id, state) VALUES (?,?,?,?)
				ON CONFLICT (run_id, task_id) DO UPDATE SET state = excluded.state`, tenant, id, task, text)
		}
	}
	if err == nil && ended {
		_, err = t.exec(`DELETE FROM run_admissions WHERE tenant = ? AND run_id = ?`, tenant, id)
	}
	return err
}

// AdmitTask keeps the approval that a task of a run is begun with.
func (t *Tx) AdmitTask(tenant, runID, taskID, approvalID string) error {
	_, err := t.exec(`INSERT OR REPLACE INTO run_admissions (tenant, run_id, task_id, approval_id) VALUES (?,?,?,?)`, tenant, runID, taskID, approvalID)
	return err
}

// AdmittedWith is the approval that the task of the run was begun with before,
// or aureus.ErrApprovalUnknown.
func (t *Tx) AdmittedWith(tenant, runID, taskID string) (aureus.Approval, error) {
	var id string
	err := t.row(`SELECT approval_id FROM run_admissions WHERE tenant = ? AND run_id = ? AND task_id = ?`, tenant, runID, taskID).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return aureus.Approval{}, aureus.ErrApprovalUnknown
	}
	if err != nil {
		return aureus.Approval{}, err
	}
	return t.Approval(tenant, id)
}

const runColumns = `SELECT run_id, tenant, workflow_id, ended, caller, request, state, started_at FROM runs`

// LatestRun is the latest run of a workflow, or ErrNotFound.
func (t *Tx) LatestRun(tenant, workflow string) (Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`, tenant, workflow)))
}

// LatestRunOf is the latest run of a workflow that the subject started, or
// ErrNotFound.
func (t *Tx) LatestRunOf(tenant, workflow, subject string) (Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND workflow_id = ? AND caller ->> '$.subject' = ? ORDER BY seq DESC LIMIT 1`,
		tenant, workflow, subject)))
}

// Run is a run, or ErrNotFound.
func (t *Tx) Run(tenant, id string) (Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND run_id = ?`, tenant, id)))
}

// wholeRun adds its tasks to what was read of a run.
func (t *Tx) wholeRun(r Run, err error) (Run, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return r, ErrNotFound
	}
	if err != nil {
		return r, err
	}
	r.Tasks = map[string]string{}
	return r, t.each(func(rows *sql.Rows) error {
		var id, state string
		err := rows.Scan(&id, &state)
		r.Tasks[id] = state
		return err
	}, `SELECT task_id, state FROM run_tasks WHERE run_id = ?`, r.ID)
}

// OpenRuns lists the runs of every tenant that have not ended, oldest first.
func (db *DB) OpenRuns(ctx context.Context) (list []Run, err error) {
	err = db.Read(ctx, func(t *Tx) error {
		err := t.each(func(rows *sql.Rows) error {
			r, err := scanRun(rows)
			list = append(list, r)
			return err
		}, runColumns+` WHERE ended = 0 ORDER BY seq`)
		for i := range list {
			if err == nil {
				list[i], err = t.wholeRun(list[i], nil)
			}
		}
		return err
	})
	return list, err
}

func scanRun(row scanner) (r Run, err error) {
	var at int64
	err = row.Scan(&r.ID, &r.Tenant, &r.WorkflowID, &r.Ended, &r.Caller, &r.Request, &r.State, &at)
	r.StartedAt = time.Unix(0, at).UTC()
	return r, err
}
