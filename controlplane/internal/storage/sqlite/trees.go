package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Tile implements [storage.Trees].
func (t trees) Tile(tenant string, level int, number int64) (hashes []byte, err error) {
	err = t.row(`SELECT hashes FROM audit_tiles WHERE tenant = ? AND level = ? AND number = ?`, tenant, level, number).Scan(&hashes)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return hashes, err
}

// PutTile implements [storage.Trees].
func (t trees) PutTile(tenant string, level int, number int64, hashes []byte) error {
	_, err := t.exec(`INSERT INTO audit_tiles (tenant, level, number, hashes) VALUES (?,?,?,?)
		ON CONFLICT (tenant, level, number) DO UPDATE SET hashes = excluded.hashes`, tenant, level, number, hashes)
	return err
}

// Absent implements [storage.Trees].
func (t trees) Absent(tenant string) (n int64, err error) {
	err = t.row(`SELECT coalesce(max(absent), 0) FROM audit_trees WHERE tenant = ?`, tenant).Scan(&n)
	return n, err
}

// EntryHashes implements [storage.Trees].
func (t trees) EntryHashes(tenant string, after int64, limit int, visit func(storage.Head) error) error {
	return t.each(func(rows *sql.Rows) error {
		var e storage.Head
		if err := rows.Scan(&e.Sequence, &e.Hash); err != nil {
			return err
		}
		return visit(e)
	}, `SELECT sequence, hash FROM audit WHERE tenant = ? AND sequence > ? ORDER BY sequence LIMIT ?`, tenant, after, limit)
}

const checkpointColumns = `SELECT tenant, size, at, note FROM audit_checkpoints WHERE tenant = ?`

// LastCheckpoint implements [storage.Trees].
func (t trees) LastCheckpoint(tenant string) (storage.Checkpoint, error) {
	return t.checkpoint(checkpointColumns+` ORDER BY size DESC LIMIT 1`, tenant)
}

// CheckpointAt implements [storage.Trees].
func (t trees) CheckpointAt(tenant string, size int64) (storage.Checkpoint, error) {
	return t.checkpoint(checkpointColumns+` AND size = ?`, tenant, size)
}

// Checkpoints implements [storage.Trees].
func (t trees) Checkpoints(tenant string, after int64, limit int, visit func(storage.Checkpoint) error) error {
	return t.each(func(rows *sql.Rows) error {
		var c storage.Checkpoint
		var at int64
		if err := rows.Scan(&c.Tenant, &c.Size, &at, &c.Note); err != nil {
			return err
		}
		c.At = time.Unix(0, at).UTC()
		return visit(c)
	}, checkpointColumns+` AND size > ? ORDER BY size LIMIT ?`, tenant, after, limit)
}

func (t trees) checkpoint(query string, args ...any) (c storage.Checkpoint, err error) {
	var at int64
	err = t.row(query, args...).Scan(&c.Tenant, &c.Size, &at, &c.Note)
	c.At = time.Unix(0, at).UTC()
	return c, found(err)
}

// AddCheckpoint implements [storage.Trees]. Only one checkpoint leaves the newest ones
// with each call: it is deleted unless the one before it is of an earlier hour.
func (t trees) AddCheckpoint(c storage.Checkpoint, kept int) error {
	if _, err := t.exec(`INSERT INTO audit_checkpoints (tenant, size, at, note) VALUES (?,?,?,?)`, c.Tenant, c.Size, c.At.UnixNano(), c.Note); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM audit_checkpoints WHERE tenant = ?1 AND size = (
			SELECT size FROM audit_checkpoints WHERE tenant = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2)
		AND at / 3600000000000 = (
			SELECT at / 3600000000000 FROM audit_checkpoints WHERE tenant = ?1 ORDER BY size DESC LIMIT 1 OFFSET ?2 + 1)`, c.Tenant, kept)
	return err
}

// Tenants implements [storage.Trees].
func (t trees) Tenants(after string, limit int) ([]string, error) {
	return t.tenants(`SELECT tenant FROM audit_heads WHERE tenant > ? ORDER BY tenant LIMIT ?`, after, limit)
}

// Behind implements [storage.Trees].
func (t trees) Behind(after string, limit int) ([]string, error) {
	return t.tenants(`SELECT h.tenant FROM audit_heads h WHERE h.tenant > ? AND h.sequence > coalesce(
			(SELECT max(size) FROM audit_checkpoints c WHERE c.tenant = h.tenant), (SELECT absent FROM audit_trees r WHERE r.tenant = h.tenant), 0)
		ORDER BY h.tenant LIMIT ?`, after, limit)
}

func (t trees) tenants(query string, args ...any) (tenants []string, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var tenant string
		err := rows.Scan(&tenant)
		tenants = append(tenants, tenant)
		return err
	}, query, args...)
	return tenants, err
}
