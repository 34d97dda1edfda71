package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// How many ended runs of a subject's workflow are kept, how many of all workflows
// of a tenant, and the bytes that these take.
const (
	keptRunBytes     = 1 << 30
	keptRuns         = 100
	keptRunsOfTenant = 10_000
)

// Run is a run of a workflow. Caller, Request, State and, by their ids, Tasks
// are JSON texts of the server's.
//
// A run belongs to the tenant, the subject and the workflow's id together: two
// subjects may use one id.
type Run struct {
	ID         string
	Tenant     string
	Subject    string // who started it
	KeyID      string // the API key that it runs with
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
	_, err := t.exec(`INSERT INTO runs (run_id, tenant, subject, key_id, workflow_id, ended, caller, request, state, started_at) VALUES (?,?,?,?,?,?,?,?,?,?)`,
		r.ID, r.Tenant, r.Subject, r.KeyID, r.WorkflowID, r.Ended, r.Caller, r.Request, r.State, r.StartedAt.UnixNano())
	if err != nil {
		return err
	}
	const old = ` FROM runs WHERE tenant = ? AND subject = ? AND workflow_id = ? AND ended = 1 AND seq <= (
		SELECT seq FROM runs WHERE tenant = ? AND subject = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`
	which := []any{r.Tenant, r.Subject, r.WorkflowID, r.Tenant, r.Subject, r.WorkflowID, keptRuns}
	if _, err := t.exec(`DELETE FROM run_tasks WHERE run_id IN (SELECT run_id`+old+`)`, which...); err != nil {
		return err
	}
	if _, err = t.exec(`DELETE`+old, which...); err != nil {
		return err
	}
	return t.forgetRuns(r.Tenant, "", keptRunsOfTenant, keptRunBytes)
}

// forgetRuns deletes ended runs of the tenant until no more than maxRuns, and no
// more than maxBytes of them, are left: of the subject that has most, its
// oldest first. The run named except stays: somebody waits to read it.
func (t *Tx) forgetRuns(tenant, except string, maxRuns, maxBytes int64) error {
	for {
		var runs, bytes int64
		if err := t.row(`SELECT count(*), coalesce(sum(bytes), 0) FROM runs WHERE tenant = ? AND ended = 1`, tenant).Scan(&runs, &bytes); err != nil {
			return err
		}
		measure := "sum(bytes)"
		switch {
		case runs > maxRuns:
			measure = "count(*)"
		case bytes <= maxBytes:
			return nil
		}
		var id string
		err := t.row(`SELECT run_id FROM runs WHERE tenant = ?1 AND ended = 1 AND run_id <> ?2 AND subject = (
			SELECT subject FROM runs WHERE tenant = ?1 AND ended = 1 AND run_id <> ?2 GROUP BY subject ORDER BY `+measure+` DESC, subject LIMIT 1)
			ORDER BY seq LIMIT 1`, tenant, except).Scan(&id)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM run_tasks WHERE run_id = ?`, id); err != nil {
			return err
		}
		if _, err := t.exec(`DELETE FROM runs WHERE run_id = ?`, id); err != nil {
			return err
		}
	}
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
	if err != nil || !ended {
		return err
	}
	if err := t.ForgetTaskAdmissions(tenant, id); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE runs SET bytes = octet_length(request) + octet_length(state) + coalesce(
		(SELECT sum(octet_length(state)) FROM run_tasks WHERE run_id = ?1), 0) WHERE run_id = ?1`, id); err != nil {
		return err
	}
	return t.forgetRuns(tenant, id, keptRunsOfTenant, keptRunBytes)
}

// TakeRun lets a run that has not ended go on with another key of the subject
// that started it. caller is as in [Run]. ErrNotFound: there is no such run.
func (t *Tx) TakeRun(tenant, id, keyID, caller string) error {
	n, err := t.changed(`UPDATE runs SET key_id = ?, caller = ? WHERE tenant = ? AND run_id = ? AND ended = 0`, keyID, caller, tenant, id)
	if err == nil && n == 0 {
		err = ErrNotFound
	}
	return err
}

// SetRunWaits keeps the approvals that a run waits for, by task, in the place of
// those that it waited for before.
func (t *Tx) SetRunWaits(tenant, id string, approvals map[string]string) error {
	_, err := t.exec(`DELETE FROM run_waits WHERE tenant = ? AND run_id = ?`, tenant, id)
	for task, approval := range approvals {
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO run_waits (tenant, run_id, task_id, approval_id) VALUES (?,?,?,?)`, tenant, id, task, approval)
	}
	return err
}

// RunRef names a run.
type RunRef struct{ Tenant, ID string }

// RunsToWake lists runs that wait for nothing any more: an approval is no longer
// pending at that time, or is gone, or the key of the run has been revoked. It
// lists limit of them at most, whichever. next is when the first of the other approvals
// expires, and zero where there is none.
func (t *Tx) RunsToWake(now time.Time, limit int) (list []RunRef, next time.Time, err error) {
	const waits = ` FROM run_waits w JOIN runs r ON r.run_id = w.run_id LEFT JOIN approvals a ON a.id = w.approval_id
		LEFT JOIN keys k ON k.id = r.key_id WHERE r.ended = 0 AND `
	err = t.each(func(rows *sql.Rows) error {
		var r RunRef
		err := rows.Scan(&r.Tenant, &r.ID)
		list = append(list, r)
		return err
	}, `SELECT DISTINCT r.tenant, r.run_id`+waits+`(a.id IS NULL OR a.status <> 'pending' OR a.expires_at < ? OR k.revoked_at IS NOT NULL) ORDER BY random() LIMIT ?`,
		now.UnixNano(), limit)
	if err != nil {
		return nil, next, err
	}
	var first sql.NullInt64
	err = t.row(`SELECT min(a.expires_at)`+waits+`a.status = 'pending' AND a.expires_at >= ?`, now.UnixNano()).Scan(&first)
	if first.Valid {
		next = time.Unix(0, first.Int64).UTC()
	}
	return list, next, err
}

// TaskAdmission is the approval that a task of a run has asked for.
type TaskAdmission struct {
	ApprovalID string
	Attempt    int // the last attempt that was begun with it; 0 before the first
}

// SetTaskAdmission keeps the approval that a task of a run has asked for, or has
// begun an attempt with.
func (t *Tx) SetTaskAdmission(tenant, runID, taskID string, a TaskAdmission) error {
	_, err := t.exec(`INSERT OR REPLACE INTO run_admissions (tenant, run_id, task_id, approval_id, attempt) VALUES (?,?,?,?,?)`,
		tenant, runID, taskID, a.ApprovalID, a.Attempt)
	return err
}

// ForgetTaskAdmissions forgets the approvals that the tasks of a run have asked
// for: each of them asks anew.
func (t *Tx) ForgetTaskAdmissions(tenant, runID string) error {
	_, err := t.exec(`DELETE FROM run_admissions WHERE tenant = ? AND run_id = ?`, tenant, runID)
	return err
}

// TaskAdmission is the approval that the task of the run has asked for, or
// ErrNotFound.
func (t *Tx) TaskAdmission(tenant, runID, taskID string) (a TaskAdmission, err error) {
	err = t.row(`SELECT approval_id, attempt FROM run_admissions WHERE tenant = ? AND run_id = ? AND task_id = ?`, tenant, runID, taskID).
		Scan(&a.ApprovalID, &a.Attempt)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return a, err
}

const runColumns = `SELECT run_id, tenant, subject, key_id, workflow_id, ended, caller, request, state, started_at FROM runs`

// LatestRun is the latest run of a workflow, whoever started it, or ErrNotFound.
func (t *Tx) LatestRun(tenant, workflow string) (Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`, tenant, workflow)))
}

// LatestRunOf is the latest run of a workflow that the subject started, or
// ErrNotFound.
func (t *Tx) LatestRunOf(tenant, workflow, subject string) (Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND subject = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`,
		tenant, subject, workflow)))
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
	err = row.Scan(&r.ID, &r.Tenant, &r.Subject, &r.KeyID, &r.WorkflowID, &r.Ended, &r.Caller, &r.Request, &r.State, &at)
	r.StartedAt = time.Unix(0, at).UTC()
	return r, err
}
