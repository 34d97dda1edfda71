package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Validator is a registered validator.
type Validator struct {
	Tenant       string
	ID           string
	Version      int64
	Config       string // JSON text as it was registered
	RegisteredBy string // the subject
	KeyID        string
	RegisteredAt time.Time
}

// PutValidator stores a registration as the next version of its id, and gives
// that version.
func (t *Tx) PutValidator(v Validator) (int64, error) {
	err := t.row(`INSERT INTO validators (tenant, id, version, config, registered_by, key_id, registered_at) VALUES (?,?,1,?,?,?,?)
		ON CONFLICT (tenant, id) DO UPDATE SET version = version + 1, config = excluded.config,
			registered_by = excluded.registered_by, key_id = excluded.key_id, registered_at = excluded.registered_at
		RETURNING version`, v.Tenant, v.ID, v.Config, v.RegisteredBy, v.KeyID, v.RegisteredAt.UnixNano()).Scan(&v.Version)
	return v.Version, err
}

const validatorColumns = `SELECT tenant, id, version, config, registered_by, key_id, registered_at FROM validators`

// Validator is the registration in force, or ErrNotFound.
func (t *Tx) Validator(tenant, id string) (Validator, error) {
	v, err := scanValidator(t.row(validatorColumns+" WHERE tenant = ? AND id = ?", tenant, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Validator{}, ErrNotFound
	}
	return v, err
}

// Validators lists registrations in the order of their ids: those of one tenant
// whose id is greater than after, at most limit.
func (t *Tx) Validators(tenant, after string, limit int) ([]Validator, error) {
	return t.validators(validatorColumns+" WHERE tenant = ? AND id > ? ORDER BY id LIMIT ?", tenant, after, limit)
}

// AllValidators lists the registrations of every tenant.
func (db *DB) AllValidators(ctx context.Context) (list []Validator, err error) {
	err = db.Read(ctx, func(t *Tx) error {
		list, err = t.validators(validatorColumns + " ORDER BY tenant, id")
		return err
	})
	return list, err
}

func (t *Tx) validators(query string, args ...any) ([]Validator, error) {
	var list []Validator
	err := t.each(func(rows *sql.Rows) error {
		v, err := scanValidator(rows)
		list = append(list, v)
		return err
	}, query, args...)
	return list, err
}

func scanValidator(row scanner) (v Validator, err error) {
	var at int64
	err = row.Scan(&v.Tenant, &v.ID, &v.Version, &v.Config, &v.RegisteredBy, &v.KeyID, &at)
	v.RegisteredAt = time.Unix(0, at).UTC()
	return v, err
}

// CountValidators is how many validators a tenant has registered.
func (t *Tx) CountValidators(tenant string) (n int, err error) {
	err = t.row(`SELECT count(*) FROM validators WHERE tenant = ?`, tenant).Scan(&n)
	return n, err
}
