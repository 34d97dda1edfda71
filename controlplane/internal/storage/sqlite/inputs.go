package sqlite

import (
	"database/sql"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// AddInputs implements [storage.AuditRows].
func (t audit) AddInputs(tenant string, at time.Time, row storage.InputsRow) error {
	_, err := t.exec(`INSERT INTO decision_inputs (tenant, sequence, at, salt, inputs) VALUES (?,?,?,?,?)`,
		tenant, row.Sequence, at.UnixNano(), row.Salt, row.Text)
	return err
}

// Inputs implements [storage.AuditRows].
func (t audit) Inputs(tenant string, after, upTo int64, visit func(storage.InputsRow) error) error {
	return t.each(func(rows *sql.Rows) error {
		var row storage.InputsRow
		if err := rows.Scan(&row.Sequence, &row.Salt, &row.Text); err != nil {
			return err
		}
		return visit(row)
	}, `SELECT sequence, salt, inputs FROM decision_inputs WHERE tenant = ? AND sequence > ? AND sequence <= ? ORDER BY sequence`, tenant, after, upTo)
}

// PruneInputs implements [storage.AuditRows].
func (t audit) PruneInputs(tenant string, before time.Time, limit int) (int64, error) {
	return t.changed(`DELETE FROM decision_inputs WHERE (tenant, sequence) IN (
		SELECT tenant, sequence FROM decision_inputs WHERE at < ?1 AND (?2 = '' OR tenant = ?2) ORDER BY at LIMIT ?3)`, nanos(before), tenant, limit)
}
