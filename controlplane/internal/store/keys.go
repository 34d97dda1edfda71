package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Key is an API key without its secret.
type Key struct {
	ID        string
	Tenant    string
	Subject   string
	Role      string
	SpeaksFor []string
	Hash      [32]byte
	CreatedAt time.Time
	RevokedAt time.Time // zero while the key is good
}

// AddKey stores a new key.
func (t *Tx) AddKey(k Key) error {
	speaksFor, err := strictjson.Marshal(k.SpeaksFor)
	if err != nil {
		return err
	}
	_, err = t.exec(`INSERT INTO keys (id, tenant, subject, role, speaks_for, hash, created_at) VALUES (?,?,?,?,?,?,?)`,
		k.ID, k.Tenant, k.Subject, k.Role, string(speaksFor), k.Hash[:], k.CreatedAt.UnixNano())
	return err
}

const keyColumns = `SELECT id, tenant, subject, role, speaks_for, hash, created_at, coalesce(revoked_at, 0) FROM keys`

// Key is the key with that id, good or revoked, or ErrNotFound.
func (db *DB) Key(ctx context.Context, id string) (Key, error) {
	k, err := scanKey(db.sql.QueryRowContext(ctx, keyColumns+" WHERE id = ?", id))
	if errors.Is(err, sql.ErrNoRows) {
		return Key{}, ErrNotFound
	}
	return k, classify(err)
}

// OwnKeys tells the store which keys are those of the process: they are in no
// table and cannot be revoked. Call it before the store is used by others.
// Without it every key that is in no table counts as one of the process.
func (db *DB) OwnKeys(own func(tenant, id string) bool) { db.ownKeys = own }

// KeyIsLive reports whether there is a key with that id in the tenant that may
// still act: one that has not been revoked, or one of the process.
func (t *Tx) KeyIsLive(tenant, id string) (bool, error) {
	var in string
	var revoked bool
	err := t.row(`SELECT tenant, revoked_at IS NOT NULL FROM keys WHERE id = ?`, id).Scan(&in, &revoked)
	if errors.Is(err, sql.ErrNoRows) {
		return t.ownKeys == nil || t.ownKeys(tenant, id), nil
	}
	return in == tenant && !revoked, err
}

// RevokedKeys is the number of keys that have been revoked. It only grows.
func (t *Tx) RevokedKeys() (n int64, err error) {
	err = t.row(`SELECT count(*) FROM keys WHERE revoked_at IS NOT NULL`).Scan(&n)
	return n, err
}

// Keys lists all keys in the order of their creation.
func (t *Tx) Keys() ([]Key, error) {
	var keys []Key
	err := t.each(func(rows *sql.Rows) error {
		k, err := scanKey(rows)
		keys = append(keys, k)
		return err
	}, keyColumns+" ORDER BY created_at, id")
	return keys, err
}

// HasAdmin reports whether there is a good key with the role admin.
func (t *Tx) HasAdmin() (bool, error) {
	var n int
	err := t.row(`SELECT count(*) FROM keys WHERE role = 'admin' AND revoked_at IS NULL`).Scan(&n)
	return n > 0, err
}

// RevokeKey ends a key, and with it the approvals that it asked for or approved
// and that have not been used, and gives the key back. ErrNotFound: there is none; ErrConflict:
// it was revoked before.
func (t *Tx) RevokeKey(id string, at time.Time) (Key, error) {
	k, err := scanKey(t.row(keyColumns+" WHERE id = ?", id))
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return Key{}, ErrNotFound
	case err != nil:
		return Key{}, err
	case !k.RevokedAt.IsZero():
		return k, ErrConflict
	}
	if _, err := t.exec(`UPDATE keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL`, at.UnixNano(), id); err != nil {
		return k, err
	}
	k.RevokedAt = at
	return k, t.expireOfKey(k.Tenant, at, id)
}

type scanner interface{ Scan(dest ...any) error }

func scanKey(row scanner) (Key, error) {
	var k Key
	var speaksFor string
	var hash []byte
	var created, revoked int64
	if err := row.Scan(&k.ID, &k.Tenant, &k.Subject, &k.Role, &speaksFor, &hash, &created, &revoked); err != nil {
		return Key{}, err
	}
	if copy(k.Hash[:], hash) != len(k.Hash) {
		return Key{}, errors.New("the hash of a key has another length")
	}
	k.CreatedAt = time.Unix(0, created).UTC()
	if revoked != 0 {
		k.RevokedAt = time.Unix(0, revoked).UTC()
	}
	return k, strictjson.Unmarshal([]byte(speaksFor), &k.SpeaksFor)
}
