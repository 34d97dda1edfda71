package storagetest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var validatorTests = []func(t *testing.T, open Open){validatorsVersionsAndScopes, validatorsPages}

func put(t *testing.T, db storage.Store, v storage.Validator) (version int64) {
	t.Helper()
	write(t, db, func(tx storage.Tx) (err error) {
		version, err = tx.Validators().Put(v)
		return err
	})
	return version
}

// Each registration of an id gets the next version for its owner. The registration
// of the first scope is in force.
func validatorsVersionsAndScopes(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	v := storage.Validator{Tenant: "t", Scope: storage.ScopeFormer, ID: "v", Config: `{"n":1.0}`, RegisteredBy: "olga", KeyID: "k", RegisteredAt: noon}
	inForce := func(tenant, subject string) (v storage.Validator, err error) {
		err = db.View(t.Context(), func(tx storage.Tx) (err error) {
			v, err = tx.Validators().InForce(tenant, subject, "v")
			return err
		})
		return v, err
	}
	_, err := inForce("t", "s")
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.EqualValues(t, 1, put(t, db, v))
	v.Config = `{"n":2}`
	require.EqualValues(t, 2, put(t, db, v))
	got, err := inForce("t", "s")
	require.NoError(t, err)
	v.Version = 2
	require.Equal(t, v, got)
	_, err = inForce("u", "s")
	require.ErrorIs(t, err, storage.ErrNotFound)

	own := v
	own.Scope, own.Owner = storage.ScopeSubject, "s"
	require.EqualValues(t, 1, put(t, db, own))
	tenants := v
	tenants.Scope = storage.ScopeTenant
	for subject, scope := range map[string]storage.Scope{"s": storage.ScopeSubject, "other": storage.ScopeFormer} {
		got, err := inForce("t", subject)
		require.NoError(t, err)
		require.Equal(t, scope, got.Scope, subject)
	}
	require.EqualValues(t, 1, put(t, db, tenants))
	got, err = inForce("t", "s")
	require.NoError(t, err)
	require.Equal(t, storage.ScopeTenant, got.Scope)

	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		got, err := tx.Validators().Scoped("t", storage.ScopeSubject, "s", "v")
		require.NoError(t, err)
		require.Equal(t, "s", got.Owner)
		_, err = tx.Validators().Scoped("t", storage.ScopeSubject, "other", "v")
		require.ErrorIs(t, err, storage.ErrNotFound)
		all, owned, err := tx.Validators().Count("t", "s")
		require.Equal(t, []int{3, 1}, []int{all, owned})
		return err
	}))
}

// Lists continue after the last item of the page before, and end at their limit or at
// MaxPageBytes.
func validatorsPages(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	for _, id := range []string{"a", "b", "c"} {
		put(t, db, storage.Validator{Tenant: "t", Scope: storage.ScopeFormer, ID: id, Config: "{}", RegisteredAt: noon})
		put(t, db, storage.Validator{Tenant: "t", Scope: storage.ScopeSubject, Owner: "s", ID: id, Config: `"` + strings.Repeat("x", storage.MaxPageBytes/2) + `"`, RegisteredAt: noon})
	}
	put(t, db, storage.Validator{Tenant: "u", Scope: storage.ScopeTenant, ID: "a", Config: "{}", RegisteredAt: noon})
	ids := func(subject, after string, limit int) (ids string, more bool) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			list, m, err := tx.Validators().List("t", subject, after, limit)
			more = m
			var b strings.Builder
			for _, v := range list {
				b.WriteString(v.ID)
			}
			ids = b.String()
			return err
		}))
		return ids, more
	}
	for _, row := range []struct {
		subject, after string
		limit          int
		want           string
		more           bool
	}{
		{"other", "", 10, "abc", false},
		{"other", "", 2, "ab", true},
		{"other", "a", 2, "bc", false},
		{"other", "c", 2, "", false},
		{"s", "", 10, "a", true},
		{"s", "a", 10, "b", true},
		{"s", "b", 10, "c", false},
	} {
		got, more := ids(row.subject, row.after, row.limit)
		require.Equal(t, []any{row.want, row.more}, []any{got, more}, row)
	}
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		var seen []string
		after := storage.Validator{}
		for more := true; more; {
			list, m, err := tx.Validators().ListTenant("t", after, 2)
			if err != nil {
				return err
			}
			for _, v := range list {
				seen = append(seen, v.ID+" "+string(v.Scope))
			}
			more, after = m, list[len(list)-1]
		}
		require.Equal(t, []string{"a former", "a subject", "b former", "b subject", "c former", "c subject"}, seen)
		all, err := tx.Validators().ListAll()
		require.Len(t, all, 7)
		return err
	}))
}
