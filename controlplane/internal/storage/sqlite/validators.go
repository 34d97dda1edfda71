package sqlite

import (
	"database/sql"
	"errors"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Put implements [storage.Validators].
func (t validators) Put(v storage.Validator) (int64, error) {
	err := t.row(`INSERT INTO validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at) VALUES (?,?,?,?,1,?,?,?,?)
		ON CONFLICT (tenant, scope, owner, id) DO UPDATE SET version = version + 1, config = excluded.config,
			registered_by = excluded.registered_by, key_id = excluded.key_id, registered_at = excluded.registered_at
		RETURNING version`, v.Tenant, string(v.Scope), v.Owner, v.ID, v.Config, v.RegisteredBy, v.KeyID, v.RegisteredAt.UnixNano()).Scan(&v.Version)
	return v.Version, err
}

const validatorColumns = `SELECT tenant, scope, owner, id, version, config, registered_by, key_id, registered_at FROM validators`

// Scoped implements [storage.Validators].
func (t validators) Scoped(tenant string, scope storage.Scope, owner, id string) (storage.Validator, error) {
	v, err := scanValidator(t.row(validatorColumns+" WHERE tenant = ? AND scope = ? AND owner = ? AND id = ?", tenant, string(scope), owner, id))
	if errors.Is(err, sql.ErrNoRows) {
		return storage.Validator{}, storage.ErrNotFound
	}
	return v, err
}

// inForce are the registrations that a subject (?2) can use in its tenant (?1):
// of each id that of the first scope which has one.
const inForce = validatorColumns + ` AS v WHERE tenant = ?1 AND owner IN ('', ?2)
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'tenant' AND s.owner = '' AND s.id = v.id AND v.scope <> 'tenant')
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'subject' AND s.owner = ?2 AND s.id = v.id AND v.scope = 'former')`

// InForce implements [storage.Validators].
func (t validators) InForce(tenant, subject, id string) (storage.Validator, error) {
	v, err := scanValidator(t.row(inForce+" AND id = ?3", tenant, subject, id))
	if errors.Is(err, sql.ErrNoRows) {
		return storage.Validator{}, storage.ErrNotFound
	}
	return v, err
}

// List implements [storage.Validators].
func (t validators) List(tenant, subject, after string, limit int) (list []storage.Validator, more bool, err error) {
	return t.validatorPage(limit, inForce+" AND id > ?3 ORDER BY id LIMIT ?4", tenant, subject, after, limit+1)
}

// ListTenant implements [storage.Validators].
func (t validators) ListTenant(tenant string, after storage.Validator, limit int) (list []storage.Validator, more bool, err error) {
	return t.validatorPage(limit, validatorColumns+` WHERE tenant = ? AND (id, scope, owner) > (?, ?, ?) ORDER BY id, scope, owner LIMIT ?`,
		tenant, after.ID, string(after.Scope), after.Owner, limit+1)
}

// ListAll implements [storage.Validators].
func (t validators) ListAll() ([]storage.Validator, error) {
	return t.selectValidators(validatorColumns + " ORDER BY tenant, scope, owner, id")
}

func (t validators) selectValidators(query string, args ...any) ([]storage.Validator, error) {
	var list []storage.Validator
	err := t.each(func(rows *sql.Rows) error {
		v, err := scanValidator(rows)
		list = append(list, v)
		return err
	}, query, args...)
	return list, err
}

func (t validators) validatorPage(limit int, query string, args ...any) (list []storage.Validator, more bool, err error) {
	size := 0
	err = t.each(func(rows *sql.Rows) error {
		v, err := scanValidator(rows)
		if err != nil {
			return err
		}
		size += len(v.Config)
		if len(list) == limit || len(list) > 0 && size > storage.MaxPageBytes {
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

func scanValidator(row scanner) (v storage.Validator, err error) {
	var at int64
	err = row.Scan(&v.Tenant, &v.Scope, &v.Owner, &v.ID, &v.Version, &v.Config, &v.RegisteredBy, &v.KeyID, &at)
	v.RegisteredAt = time.Unix(0, at).UTC()
	return v, err
}

// Count implements [storage.Validators].
func (t validators) Count(tenant, owner string) (all, owned int, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE owner = ?) FROM validators WHERE tenant = ?`, owner, tenant).Scan(&all, &owned)
	return all, owned, err
}
