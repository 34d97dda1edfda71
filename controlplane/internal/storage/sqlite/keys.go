package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Add implements [storage.KeyRows].
func (t keys) Add(k storage.Key) error {
	speaksFor, err := strictjson.Marshal(k.SpeaksFor)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO keys (id, tenant, subject, role, speaks_for, hash, created_at) VALUES (?,?,?,?,?,?,?)`,
		k.ID, k.Tenant, k.Subject, k.Role, string(speaksFor), k.Hash[:], k.CreatedAt.UnixNano())
	return err
}

const keyColumns = `SELECT id, tenant, subject, role, speaks_for, hash, created_at, coalesce(revoked_at, 0) FROM keys`

// Key implements [storage.Store].
func (db *DB) Key(ctx context.Context, id string) (storage.Key, error) {
	k, err := scanKey(db.sql.QueryRowContext(ctx, keyColumns+" WHERE id = ?", id))
	return k, classify(found(err))
}

// Get implements [storage.KeyRows].
func (t keys) Get(id string) (storage.Key, error) {
	k, err := scanKey(t.row(keyColumns+" WHERE id = ?", id))
	return k, found(err)
}

// State implements [storage.KeyRows].
func (t keys) State(id string) (tenant string, revoked bool, err error) {
	err = t.row(`SELECT tenant, revoked_at IS NOT NULL FROM keys WHERE id = ?`, id).Scan(&tenant, &revoked)
	return tenant, revoked, found(err)
}

// Revoked implements [storage.KeyRows].
func (t keys) Revoked() (n int64, err error) {
	err = t.row(`SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL`).Scan(&n)
	return n, err
}

// List implements [storage.KeyRows].
func (t keys) List() ([]storage.Key, error) {
	var keys []storage.Key
	err := t.each(func(rows *sql.Rows) error {
		k, err := scanKey(rows)
		keys = append(keys, k)
		return err
	}, keyColumns+" ORDER BY created_at, id")
	return keys, err
}

// HasAdmin implements [storage.KeyRows].
func (t keys) HasAdmin() (bool, error) {
	var n int
	err := t.row(`SELECT count(*) FROM keys WHERE role = 'admin' AND revoked_at IS NULL`).Scan(&n)
	return n > 0, err
}

// SetRevoked implements [storage.KeyRows].
func (t keys) SetRevoked(id string, at time.Time) error {
	_, err := t.exec(`UPDATE keys SET revoked_at = ? WHERE id = ?`, at.UnixNano(), id)
	return err
}

type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (storage.Key, error) {
	var k storage.Key
	var speaksFor string
	var hash []byte
	var created, revoked int64
	if err := row.Scan(&k.ID, &k.Tenant, &k.Subject, &k.Role, &speaksFor, &hash, &created, &revoked); err != nil {
		return storage.Key{}, err
	}
	if copy(k.Hash[:], hash) != len(k.Hash) {
		return storage.Key{}, errors.New("a stored key has a hash of the wrong length")
	}
	k.CreatedAt = time.Unix(0, created).UTC()
	if revoked != 0 {
		k.RevokedAt = time.Unix(0, revoked).UTC()
	}
	return k, strictjson.Unmarshal([]byte(speaksFor), &k.SpeaksFor)
}
