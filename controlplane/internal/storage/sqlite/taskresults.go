package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Result implements [storage.Runs].
func (t runs) Result(key storage.TaskKey, now time.Time) (storage.TaskResult, error) {
	r := storage.TaskResult{TaskKey: key}
	var at int64
	err := t.row(`SELECT content, result, run_id, task_id, committed_at FROM task_results
		WHERE tenant = ? AND subject = ? AND principal = ? AND task_key = ? AND committed_at > ?`,
		key.Tenant, key.Subject, key.Principal, key.Key, now.Add(-storage.TaskResultLife).UnixNano()).
		Scan(&r.Content, &r.Result, &r.RunID, &r.TaskID, &at)
	if errors.Is(err, sql.ErrNoRows) {
		err = storage.ErrNotFound
	}
	r.CommittedAt = time.Unix(0, at).UTC()
	return r, err
}

// AddResult implements [storage.Runs].
func (t runs) AddResult(r storage.TaskResult) error {
	if _, err := t.exec(`INSERT OR REPLACE INTO task_results
		(tenant, subject, principal, task_key, content, result, run_id, task_id, committed_at) VALUES (?,?,?,?,?,?,?,?,?)`,
		r.Tenant, r.Subject, r.Principal, r.Key, r.Content, r.Result, r.RunID, r.TaskID, r.CommittedAt.UnixNano()); err != nil {
		return err
	}
	if _, err := t.exec(`DELETE FROM task_results WHERE committed_at <= ?`, r.CommittedAt.Add(-storage.TaskResultLife).UnixNano()); err != nil {
		return err
	}
	if err := t.keepResults(r, ``, storage.KeptTaskResults); err != nil || len(r.Result) <= storage.LargeTaskResult {
		return err
	}
	return t.keepResults(r, ` AND octet_length(result) > 65536`, storage.KeptLargeTaskResults) // exactly the condition of the index task_results_large
}

// keepResults deletes the results of r's subject that match the condition, except the
// latest n.
func (t runs) keepResults(r storage.TaskResult, condition string, n int) error {
	_, err := t.exec(`DELETE FROM task_results WHERE tenant = ?1 AND subject = ?2`+condition+` AND seq <= (
		SELECT seq FROM task_results WHERE tenant = ?1 AND subject = ?2`+condition+` ORDER BY seq DESC LIMIT 1 OFFSET ?3)`, r.Tenant, r.Subject, n)
	return err
}

// ForgetResult implements [storage.Runs].
func (t runs) ForgetResult(runID, taskID string) error {
	_, err := t.exec(`DELETE FROM task_results WHERE run_id = ? AND task_id = ?`, runID, taskID)
	return err
}
