package store

import (
	"database/sql"
	"errors"
	"time"
)

// How long the result of a task with an idempotency key is known, and how many
// of a subject are.
const (
	TaskResultLife  = 7 * 24 * time.Hour
	keptTaskResults = 10_000
)

// TaskKey is an idempotency key of a task, and whose it is.
type TaskKey struct{ Tenant, Subject, Principal, Key string }

// TaskResult is what a task with an idempotency key came to.
type TaskResult struct {
	TaskKey

	Content     []byte // digest of what was done
	Result      string // JSON
	RunID       string
	TaskID      string
	CommittedAt time.Time
}

// TaskResult is what was done under the key, or ErrNotFound.
func (t *Tx) TaskResult(key TaskKey, now time.Time) (TaskResult, error) {
	r := TaskResult{TaskKey: key}
	var at int64
	err := t.row(`SELECT content, result, run_id, task_id, committed_at FROM task_results
		WHERE tenant = ? AND subject = ? AND principal = ? AND task_key = ? AND committed_at > ?`,
		key.Tenant, key.Subject, key.Principal, key.Key, now.Add(-TaskResultLife).UnixNano()).
		Scan(&r.Content, &r.Result, &r.RunID, &r.TaskID, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	r.CommittedAt = time.Unix(0, at).UTC()
	return r, err
}

// AddTaskResult keeps what a task came to, and forgets what is too old or too
// much.
func (t *Tx) AddTaskResult(r TaskResult) error {
	if _, err := t.exec(`INSERT OR REPLACE INTO task_results
		(tenant, subject, principal, task_key, content, result, run_id, task_id, committed_at) VALUES (?,?,?,?,?,?,?,?,?)`,
		r.Tenant, r.Subject, r.Principal, r.Key, r.Content, r.Result, r.RunID, r.TaskID, r.CommittedAt.UnixNano()); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM task_results WHERE committed_at <= ?`, r.CommittedAt.Add(-TaskResultLife).UnixNano()); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM task_results WHERE tenant = ? AND subject = ? AND seq <= (
		SELECT seq FROM task_results WHERE tenant = ? AND subject = ? ORDER BY seq DESC LIMIT 1 OFFSET ?)`,
		r.Tenant, r.Subject, r.Tenant, r.Subject, keptTaskResults)
	return err
}

// ForgetTaskResult forgets what a task of a run came to: it was undone.
func (t *Tx) ForgetTaskResult(runID, taskID string) error {
	_, err := t.exec(`DELETE FROM task_results WHERE run_id = ? AND task_id = ?`, runID, taskID)
	return err
}
