package store

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Scope says for whom a validator is in force.
type Scope string

// The scopes, in the order in which they are asked.
const (
	ScopeTenant  Scope = "tenant"  // registered by an admin, for every subject
	ScopeSubject Scope = "subject" // for the subject that registered it
	ScopeFormer  Scope = "former"  // for every subject, from before validators had owners
)

// Validator is a registered validator.
type Validator struct {
	Tenant       string
	Scope        Scope
	Owner        string // the subject of ScopeSubject; empty otherwise
	ID           string
	Version      int64
	Config       string // JSON text as it was registered
	RegisteredBy string // the subject
	KeyID        string
	RegisteredAt time.Time
}

// PutValidator stores a registration as the next version of its id under its
// owner, and gives that version.
func (t *Tx) PutValidator(v Validator) (int64, error) {
	err := t.row(`INSERT INTO validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at) VALUES (?,?,?,?,1,?,?,?,?)
		ON CONFLICT (tenant, scope, owner, id) DO UPDATE SET version = version + 1, config = excluded.config,
			registered_by = excluded.registered_by, key_id = excluded.key_id, registered_at = excluded.registered_at
		RETURNING version`, v.Tenant, string(v.Scope), v.Owner, v.ID, v.Config, v.RegisteredBy, v.KeyID, v.RegisteredAt.UnixNano()).Scan(&v.Version)
	return v.Version, err
}

const validatorColumns = `SELECT tenant, scope, owner, id, version, config, registered_by, key_id, registered_at FROM validators`

// ScopedValidator is the registration under the id in that scope, or ErrNotFound.
// The owner is a subject for ScopeSubject, and empty otherwise.
func (t *Tx) ScopedValidator(tenant string, scope Scope, owner, id string) (Validator, error) {
	v, err := scanValidator(t.row(validatorColumns+" WHERE tenant = ? AND scope = ? AND owner = ? AND id = ?", tenant, string(scope), owner, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Validator{}, ErrNotFound
	}
	return v, err
}

// inForce are the registrations that a subject (?2) can use in its tenant (?1):
// of each id that of the first scope which has one.
const inForce = validatorColumns + ` AS v WHERE tenant = ?1 AND owner IN ('', ?2)
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'tenant' AND s.owner = '' AND s.id = v.id AND v.scope <> 'tenant')
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'subject' AND s.owner = ?2 AND s.id = v.id AND v.scope = 'former')`

// Validator is the registration that is in force for the subject, or ErrNotFound.
func (t *Tx) Validator(tenant, subject, id string) (Validator, error) {
	v, err := scanValidator(t.row(inForce+" AND id = ?3", tenant, subject, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Validator{}, ErrNotFound
	}
	return v, err
}

// Validators lists what is in force for the subject, in the order of the ids:
// those greater than after, at most limit and a page's bytes, but one at least.
// more says that there are others behind them.
func (t *Tx) Validators(tenant, subject, after string, limit int) (list []Validator, more bool, err error) {
	return t.validatorPage(limit, inForce+" AND id > ?3 ORDER BY id LIMIT ?4", tenant, subject, after, limit+1)
}

// ValidatorsOfAll lists every registration of the tenant, whoever has it, in the
// order of id, scope and owner: those behind after, as many as [Tx.Validators].
func (t *Tx) ValidatorsOfAll(tenant string, after Validator, limit int) (list []Validator, more bool, err error) {
	return t.validatorPage(limit, validatorColumns+` WHERE tenant = ? AND (id, scope, owner) > (?, ?, ?) ORDER BY id, scope, owner LIMIT ?`,
		tenant, after.ID, string(after.Scope), after.Owner, limit+1)
}

// AllValidators lists the registrations of every tenant, scope and owner.
func (db *DB) AllValidators(ctx context.Context) (list []Validator, err error) {
	err = db.Read(ctx, func(t *Tx) error {
		list, err = t.validators(validatorColumns + " ORDER BY tenant, scope, owner, id")
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

func (t *Tx) validatorPage(limit int, query string, args ...any) (list []Validator, more bool, err error) {
	size := 0
	err = t.each(func(rows *sql.Rows) error {
		v, err := scanValidator(rows)
		if err != nil {
			return err
		}
		size += len(v.Config)
		if len(list) == limit || len(list) > 0 && size > maxPageBytes {
			return errPageFull
		}
		list = append(list, v)
		return nil
	}, query, args...)
	if more = errors.Is(err, errPageFull); more {
		err = nil
	}
	return list, more, err
}

func scanValidator(row scanner) (v Validator, err error) {
	var at int64
	err = row.Scan(&v.Tenant, &v.Scope, &v.Owner, &v.ID, &v.Version, &v.Config, &v.RegisteredBy, &v.KeyID, &at)
	v.RegisteredAt = time.Unix(0, at).UTC()
	return v, err
}

// CountValidators is how many validators a tenant has registered, and of them
// those of the owner's own.
func (t *Tx) CountValidators(tenant, owner string) (all, owned int, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE owner = ?) FROM validators WHERE tenant = ?`, owner, tenant).Scan(&all, &owned)
	return all, owned, err
}
