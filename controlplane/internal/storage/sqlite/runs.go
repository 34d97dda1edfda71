package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// CountOpen implements [storage.Runs].
func (t runs) CountOpen(tenant, subject string) (open storage.OpenRuns, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE subject = ?2), coalesce(sum(octet_length(request)) FILTER (WHERE subject = ?2), 0)
		FROM runs WHERE tenant = ?1 AND ended = 0`, tenant, subject).Scan(&open.Tenant, &open.Subject, &open.Bytes)
	return open, err
}

// Add implements [storage.Runs].
func (t runs) Add(r storage.Run) error {
	_, err := t.exec(`INSERT INTO runs (run_id, tenant, subject, key_id, workflow_id, ended, caller, request, state, started_at) VALUES (?,?,?,?,?,?,?,?,?,?)`,
		r.ID, r.Tenant, r.Subject, r.KeyID, r.WorkflowID, r.Ended, r.Caller, r.Request, r.State, r.StartedAt.UnixNano())
	if err != nil {
		return err
	}
	const old = ` FROM runs WHERE tenant = ? AND subject = ? AND workflow_id = ? AND ended = 1 AND seq <= (
		SELECT seq FROM runs WHERE tenant = ? AND subject = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`
	which := []any{r.Tenant, r.Subject, r.WorkflowID, r.Tenant, r.Subject, r.WorkflowID, storage.KeptRuns}
	if _, err := t.exec(`DELETE FROM run_tasks WHERE run_id IN (SELECT run_id`+old+`)`, which...); err != nil {
		return err
	}
	if _, err = t.exec(`DELETE`+old, which...); err != nil {
		return err
	}
	return t.forgetRuns(r.Tenant, "", storage.KeptRunsOfTenant, storage.KeptRunBytes)
}

// forgetRuns deletes ended runs of the tenant until at most maxRuns and maxBytes are
// left: each time the oldest one of the subject that has the most runs or bytes. It
// keeps the run with the id except, because a request waits for its result.
func (t runs) forgetRuns(tenant, except string, maxRuns, maxBytes int64) error {
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

// Save implements [storage.Runs].
func (t runs) Save(tenant, id, state string, ended bool, tasks map[string]string) error {
	n, err := t.changed(`UPDATE runs SET state = ?, ended = ? WHERE tenant = ? AND run_id = ?`, state, ended, tenant, id)
	if err == nil && n == 0 {
		err = storage.ErrNotFound
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
	if err := t.ForgetAdmissions(tenant, id); err != nil {
		return err
	}
	if _, err := t.exec(`UPDATE runs SET bytes = octet_length(request) + octet_length(state) + coalesce(
		(SELECT sum(octet_length(state)) FROM run_tasks WHERE run_id = ?1), 0) WHERE run_id = ?1`, id); err != nil {
		return err
	}
	return t.forgetRuns(tenant, id, storage.KeptRunsOfTenant, storage.KeptRunBytes)
}

// SetKey implements [storage.Runs].
func (t runs) SetKey(tenant, id, keyID, caller string) error {
	n, err := t.changed(`UPDATE runs SET key_id = ?, caller = ? WHERE tenant = ? AND run_id = ? AND ended = 0`, keyID, caller, tenant, id)
	if err == nil && n == 0 {
		err = storage.ErrNotFound
	}
	return err
}

// SetWaits implements [storage.Runs].
func (t runs) SetWaits(tenant, id string, approvals map[string]string) error {
	_, err := t.exec(`DELETE FROM run_waits WHERE tenant = ? AND run_id = ?`, tenant, id)
	for task, approval := range approvals {
		if err != nil {
			return err
		}
		_, err = t.exec(`INSERT INTO run_waits (tenant, run_id, task_id, approval_id) VALUES (?,?,?,?)`, tenant, id, task, approval)
	}
	return err
}

// ToWake implements [storage.Runs].
func (t runs) ToWake(now time.Time, limit int) (list []storage.RunRef, next time.Time, err error) {
	const waits = ` FROM run_waits w JOIN runs r ON r.run_id = w.run_id LEFT JOIN approvals a ON a.id = w.approval_id
		LEFT JOIN keys k ON k.id = r.key_id WHERE r.ended = 0 AND `
	err = t.each(func(rows *sql.Rows) error {
		var r storage.RunRef
		err := rows.Scan(&r.Tenant, &r.ID, &r.KeyID)
		list = append(list, r)
		return err
	}, `SELECT DISTINCT r.tenant, r.run_id, r.key_id`+waits+`(a.id IS NULL OR a.status <> 'pending' OR a.expires_at < ? OR k.revoked_at IS NOT NULL) ORDER BY random() LIMIT ?`,
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

// SetAdmission implements [storage.Runs].
func (t runs) SetAdmission(tenant, runID, taskID string, a storage.TaskAdmission) error {
	_, err := t.exec(`INSERT OR REPLACE INTO run_admissions (tenant, run_id, task_id, approval_id, attempt) VALUES (?,?,?,?,?)`,
		tenant, runID, taskID, a.ApprovalID, a.Attempt)
	return err
}

// ForgetAdmissions implements [storage.Runs].
func (t runs) ForgetAdmissions(tenant, runID string) error {
	_, err := t.exec(`DELETE FROM run_admissions WHERE tenant = ? AND run_id = ?`, tenant, runID)
	return err
}

// Admission implements [storage.Runs].
func (t runs) Admission(tenant, runID, taskID string) (a storage.TaskAdmission, err error) {
	err = t.row(`SELECT approval_id, attempt FROM run_admissions WHERE tenant = ? AND run_id = ? AND task_id = ?`, tenant, runID, taskID).
		Scan(&a.ApprovalID, &a.Attempt)
	if errors.Is(err, sql.ErrNoRows) {
		err = storage.ErrNotFound
	}
	return a, err
}

const runColumns = `SELECT run_id, tenant, subject, key_id, workflow_id, ended, caller, request, state, started_at FROM runs`

// Latest implements [storage.Runs].
func (t runs) Latest(tenant, workflow string) (storage.Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`, tenant, workflow)))
}

// LatestOf implements [storage.Runs].
func (t runs) LatestOf(tenant, workflow, subject string) (storage.Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND subject = ? AND workflow_id = ? ORDER BY seq DESC LIMIT 1`,
		tenant, subject, workflow)))
}

// Get implements [storage.Runs].
func (t runs) Get(tenant, id string) (storage.Run, error) {
	return t.wholeRun(scanRun(t.row(runColumns+` WHERE tenant = ? AND run_id = ?`, tenant, id)))
}

// wholeRun reads the tasks of a run and adds them to it.
func (t runs) wholeRun(r storage.Run, err error) (storage.Run, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return r, storage.ErrNotFound
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

// ListOpen implements [storage.Runs].
func (t runs) ListOpen() (list []storage.Run, err error) {
	err = t.each(func(rows *sql.Rows) error {
		r, err := scanRun(rows)
		list = append(list, r)
		return err
	}, runColumns+` WHERE ended = 0 ORDER BY seq`)
	for i := range list {
		if err == nil {
			list[i], err = t.wholeRun(list[i], nil)
		}
	}
	return list, err
}

func scanRun(row scanner) (r storage.Run, err error) {
	var at int64
	err = row.Scan(&r.ID, &r.Tenant, &r.Subject, &r.KeyID, &r.WorkflowID, &r.Ended, &r.Caller, &r.Request, &r.State, &at)
	r.StartedAt = time.Unix(0, at).UTC()
	return r, err
}
