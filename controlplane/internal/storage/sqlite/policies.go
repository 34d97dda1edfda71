package sqlite

import (
	"database/sql"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Revision implements [storage.PolicyRows].
func (t policies) Revision(tenant string) (revision int64, err error) {
	err = t.row(`SELECT coalesce((SELECT revision FROM policy_revisions WHERE tenant = ?), 0)`, tenant).Scan(&revision)
	return revision, err
}

// Changed implements [storage.PolicyRows].
func (t policies) Changed(tenant string) error {
	_, err := t.exec(`INSERT INTO policy_revisions (tenant, revision) VALUES (?, 1)
		ON CONFLICT (tenant) DO UPDATE SET revision = revision + 1`, tenant)
	return err
}

// AddBundle implements [storage.PolicyRows].
func (t policies) AddBundle(b storage.Bundle) error {
	_, err := t.exec(`INSERT INTO policy_bundles (tenant, version, name, digest, text, signature, put_by, key_id, put_at) VALUES (?,?,?,?,?,?,?,?,?)`,
		b.Tenant, b.Version, b.Name, b.Digest.String(), b.Text, b.Signature, b.PutBy, b.KeyID, b.PutAt.UnixNano())
	return err
}

// DropTexts implements [storage.PolicyRows].
func (t policies) DropTexts(tenant string, keep int) error {
	_, err := t.exec(`UPDATE policy_bundles SET text = NULL, signature = NULL WHERE tenant = ?1 AND text IS NOT NULL AND version <= (
		SELECT version FROM policy_bundles WHERE tenant = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2)`, tenant, keep)
	return err
}

// BundleVersion implements [storage.PolicyRows].
func (t policies) BundleVersion(tenant string, version int64) (storage.Bundle, error) {
	b, err := scanBundle(t.row(`SELECT tenant, version, name, digest, text, signature, put_by, key_id, put_at
		FROM policy_bundles WHERE tenant = ? AND version = ?`, tenant, version))
	return b, found(err)
}

// Bundles implements [storage.PolicyRows].
func (t policies) Bundles(tenant string, before int64, limit int, visit func(storage.Bundle) error) error {
	return t.each(func(rows *sql.Rows) error {
		b, err := scanBundle(rows)
		if err != nil {
			return err
		}
		return visit(b)
	}, `SELECT tenant, version, name, digest, NULL, signature, put_by, key_id, put_at FROM policy_bundles
		WHERE tenant = ?1 AND (?2 = 0 OR version < ?2) ORDER BY version DESC LIMIT ?3`, tenant, before, limit)
}

func scanBundle(row scanner) (b storage.Bundle, err error) {
	var at int64
	var digest string
	if err := row.Scan(&b.Tenant, &b.Version, &b.Name, &digest, &b.Text, &b.Signature, &b.PutBy, &b.KeyID, &at); err != nil {
		return storage.Bundle{}, err
	}
	if err := b.Digest.UnmarshalText([]byte(digest)); err != nil {
		return storage.Bundle{}, fmt.Errorf("reading a policy bundle: %w", err)
	}
	b.PutAt = time.Unix(0, at).UTC()
	return b, nil
}

// BundleTenants implements [storage.PolicyRows].
func (t policies) BundleTenants() (tenants []string, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var tenant string
		err := rows.Scan(&tenant)
		tenants = append(tenants, tenant)
		return err
	}, `SELECT tenant FROM policy_revisions ORDER BY tenant`)
	return tenants, err
}

// Stops implements [storage.PolicyRows].
func (t policies) Stops(tenant string) (list []storage.Stop, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var at int64
		s := storage.Stop{Tenant: tenant}
		err := rows.Scan(&s.Scope, &s.Reason, &s.By, &s.KeyID, &at)
		s.At = time.Unix(0, at).UTC()
		list = append(list, s)
		return err
	}, `SELECT scope, reason, by, key_id, at FROM policy_stops WHERE tenant = ?`, tenant)
	return list, err
}

// AddStop implements [storage.PolicyRows].
func (t policies) AddStop(s storage.Stop) error {
	_, err := t.exec(`INSERT INTO policy_stops (tenant, scope, reason, by, key_id, at) VALUES (?,?,?,?,?,?)`,
		s.Tenant, s.Scope, s.Reason, s.By, s.KeyID, s.At.UnixNano())
	return err
}

// DeleteStop implements [storage.PolicyRows].
func (t policies) DeleteStop(tenant, scope string) (bool, error) {
	n, err := t.changed(`DELETE FROM policy_stops WHERE tenant = ? AND scope = ?`, tenant, scope)
	return n > 0, err
}
