package sqlite

import (
	"database/sql"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Put implements [storage.ValidatorRows].
func (t validators) Put(v storage.Validator) (int64, error) {
	err := t.row(`INSERT INTO validators (tenant, scope, owner, id, version, config, registered_by, key_id, registered_at) VALUES (?,?,?,?,1,?,?,?,?)
		ON CONFLICT (tenant, scope, owner, id) DO UPDATE SET version = version + 1, config = excluded.config,
			registered_by = excluded.registered_by, key_id = excluded.key_id, registered_at = excluded.registered_at
		RETURNING version`, v.Tenant, string(v.Scope), v.Owner, v.ID, v.Config, v.RegisteredBy, v.KeyID, v.RegisteredAt.UnixNano()).Scan(&v.Version)
	return v.Version, err
}

const validatorColumns = `SELECT tenant, scope, owner, id, version, config, registered_by, key_id, registered_at FROM validators`

// Scoped implements [storage.ValidatorRows].
func (t validators) Scoped(tenant string, scope storage.Scope, owner, id string) (storage.Validator, error) {
	v, err := scanValidator(t.row(validatorColumns+" WHERE tenant = ? AND scope = ? AND owner = ? AND id = ?", tenant, string(scope), owner, id))
	return v, found(err)
}

// inForce selects the registrations that are in force for a subject (?2) of a tenant
// (?1): for each id, that of the first scope that has one.
const inForce = validatorColumns + ` AS v WHERE tenant = ?1 AND owner IN ('', ?2)
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'tenant' AND s.owner = '' AND s.id = v.id AND v.scope <> 'tenant')
	AND NOT EXISTS (SELECT 1 FROM validators s WHERE s.tenant = ?1 AND s.scope = 'subject' AND s.owner = ?2 AND s.id = v.id AND v.scope = 'former')`

// InForce implements [storage.ValidatorRows].
func (t validators) InForce(tenant, subject, id string) (storage.Validator, error) {
	v, err := scanValidator(t.row(inForce+" AND id = ?3", tenant, subject, id))
	return v, found(err)
}

// EachInForce implements [storage.ValidatorRows].
func (t validators) EachInForce(tenant, subject, after string, limit int, visit func(storage.Validator) error) error {
	return t.visit(visit, inForce+" AND id > ?3 ORDER BY id LIMIT ?4", tenant, subject, after, limit)
}

// EachOfTenant implements [storage.ValidatorRows].
func (t validators) EachOfTenant(tenant string, after storage.Validator, limit int, visit func(storage.Validator) error) error {
	return t.visit(visit, validatorColumns+` WHERE tenant = ? AND (id, scope, owner) > (?, ?, ?) ORDER BY id, scope, owner LIMIT ?`,
		tenant, after.ID, string(after.Scope), after.Owner, limit)
}

// ListAll implements [storage.ValidatorRows].
func (t validators) ListAll() (list []storage.Validator, err error) {
	err = t.visit(func(v storage.Validator) error {
		list = append(list, v)
		return nil
	}, validatorColumns+" ORDER BY tenant, scope, owner, id")
	return list, err
}

func (t validators) visit(visit func(storage.Validator) error, query string, args ...any) error {
	return t.each(func(rows *sql.Rows) error {
		v, err := scanValidator(rows)
		if err != nil {
			return err
		}
		return visit(v)
	}, query, args...)
}

func scanValidator(row scanner) (v storage.Validator, err error) {
	var at int64
	err = row.Scan(&v.Tenant, &v.Scope, &v.Owner, &v.ID, &v.Version, &v.Config, &v.RegisteredBy, &v.KeyID, &at)
	v.RegisteredAt = time.Unix(0, at).UTC()
	return v, err
}

// Count implements [storage.ValidatorRows].
func (t validators) Count(tenant, owner string) (all, owned int, err error) {
	err = t.row(`SELECT count(*), count(*) FILTER (WHERE owner = ?) FROM validators WHERE tenant = ?`, owner, tenant).Scan(&all, &owned)
	return all, owned, err
}
