package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// keptRuns is how many ended runs of a workflow are kept.
const keptRuns = 100

// Run is a run of a workflow. Caller, Request and State are JSON texts of the
// server's.
type Run struct {
	ID         string
	Tenant     string
	WorkflowID string
	Ended      bool
	Caller     string
	Request    string
	State      string
	StartedAt  time.Time
}

// AddRun keeps a new run, and forgets the oldest ended ones of the workflow.
func (t *Tx) AddRun(r Run) error {
	_, err := t.exec(`INSERT INTO runs (run_id, tenant, workflow_id, ended, caller, request, state, started_at) VALUES (?,?,?,?,?,?,?,?)`,
		r.ID, r.Tenant, r.WorkflowID, r.Ended, r.Caller, r.Request, r.State, r.StartedAt.UnixNano())
	if err != nil {
		return err
	}
	_, err = t.exec(`DELETE FROM runs WHERE tenant = ? AND workflow_id = ? AND ended = 1 AND seq <= (
		SELECT seq FROM runs WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
		r.Tenant, r.WorkflowID, r.Tenant, r.WorkflowID, keptRuns)
	return err
}

// SaveRun keeps how far a run is.
func (t *Tx) SaveRun(tenant, id, state string, ended bool) error {
	n, err := t.changed(`UPDATE runs SET state = ?, ended = ? WHERE tenant = ? AND run_id = ?`, state, ended, tenant, id)
	if err == nil && n == 0 {
		err = ErrNotFound
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
	r, err := scanRun(t.row(runColumns+` WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`, tenant, workflow))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return r, err
}

// Run is a run, or ErrNotFound.
func (t *Tx) Run(tenant, id string) (Run, error) {
	r, err := scanRun(t.row(runColumns+` WHERE tenant = ? AND run_id = ?`, tenant, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return r, err
}

// OpenRuns lists the runs of every tenant that have not ended, oldest first.
func (db *DB) OpenRuns(ctx context.Context) (list []Run, err error) {
	err = db.Read(ctx, func(t *Tx) error {
		return t.each(func(rows *sql.Rows) error {
			r, err := scanRun(rows)
			list = append(list, r)
			return err
		}, runColumns+` WHERE ended = 0 ORDER BY seq`)
	})
	return list, err
}

func scanRun(row scanner) (r Run, err error) {
	var at int64
	err = row.Scan(&r.ID, &r.Tenant, &r.WorkflowID, &r.Ended, &r.Caller, &r.Request, &r.State, &at)
	r.StartedAt = time.Unix(0, at).UTC()
	return r, err
}
