package storagetest

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var keyTests = []func(t *testing.T, open Open){
	keysAreGivenBack,
	keyIsLiveRevokedOrOfAnotherTenantIsNot,
}

// A key is live in its own tenant, until it is revoked.
func keyIsLiveRevokedOrOfAnotherTenantIsNot(t *testing.T, open Open) {
	db := open(t, storage.Options{OwnKey: func(tenant, id string) bool { return tenant == "t" && id == "own" }})
	write(t, db, func(tx storage.Tx) error {
		return tx.Keys().Add(storage.Key{ID: "k", Tenant: "t", Subject: "s", Role: "service"})
	})
	live := func(tenant, id string) (ok bool) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			ok, err = tx.Keys().Live(tenant, id)
			return err
		}))
		return ok
	}
	require.True(t, live("t", "k"))
	require.False(t, live("u", "k"))
	require.False(t, live("t", "unknown"))
	require.False(t, live("t", ""))
	require.True(t, live("t", "own"))
	require.False(t, live("u", "own"))
	write(t, db, func(tx storage.Tx) error {
		_, err := tx.Keys().Revoke("k", noon)
		return err
	})
	require.False(t, live("t", "k"))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		n, err := tx.Keys().Revoked()
		require.EqualValues(t, 1, n)
		return err
	}))
}

// A key is returned as it was stored, even if it is revoked. It can be revoked only
// once.
func keysAreGivenBack(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	key := storage.Key{ID: "k1", Tenant: "t", Subject: "s", Role: "admin", SpeaksFor: []string{"a", "*"}, Hash: [32]byte{1, 31: 2}, CreatedAt: noon.Add(1)}
	second := storage.Key{ID: "k0", Tenant: "u", Subject: "s", Role: "service", SpeaksFor: []string{}, Hash: [32]byte{3}, CreatedAt: noon.Add(2)}
	hasAdmin := func() (has bool) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			has, err = tx.Keys().HasAdmin()
			return err
		}))
		return has
	}
	require.False(t, hasAdmin())
	write(t, db, func(tx storage.Tx) error { return errors.Join(tx.Keys().Add(key), tx.Keys().Add(second)) })
	require.True(t, hasAdmin())
	require.Error(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Keys().Add(key) }), "an id can be used only once")
	_, err := db.Key(t.Context(), "unknown")
	require.ErrorIs(t, err, storage.ErrNotFound)
	got, err := db.Key(t.Context(), "k1")
	require.NoError(t, err)
	require.Equal(t, key, got)

	var revoked storage.Key
	write(t, db, func(tx storage.Tx) (err error) {
		revoked, err = tx.Keys().Revoke("k1", noon.Add(3))
		return err
	})
	key.RevokedAt = noon.Add(3)
	require.Equal(t, key, revoked)
	for id, want := range map[string]error{"k1": storage.ErrConflict, "unknown": storage.ErrNotFound} {
		require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Keys().Revoke(id, noon)
			return err
		}), want)
	}
	require.False(t, hasAdmin(), "a revoked admin key does not count")
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list, err := tx.Keys().List()
		require.Equal(t, []storage.Key{key, second}, list)
		return err
	}))
}
