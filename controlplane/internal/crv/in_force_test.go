package crv

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate"
)

func TestValidators_Restore_TheNewestVersionIsInForce(t *testing.T) {
	v := &inForce{now: time.Now}
	stored := func(version int64, limit int) storage.Validator {
		config := fmt.Sprintf(`{"type":"max_size","parameters":{"max":%d},"tests":[{"name":"t","commit":{"id":"c","data":%q},"want":"passed"}]}`, limit, strings.Repeat("x", 50))
		return storage.Validator{Tenant: "t", Scope: storage.ScopeTenant, ID: "v", Version: version, Config: config}
	}
	passes := func() bool {
		find, err := v.of("t", "anybody")
		require.NoError(t, err)
		return find("v")(t.Context(), crvgate.Change[any]{Data: "0123456789"}).Valid
	}
	require.NoError(t, v.restore(stored(7, 20)), "tests are not run again")
	require.NoError(t, v.restore(stored(6, 1)), "an older version changes nothing")
	require.True(t, passes())
	require.NoError(t, v.restore(stored(7, 1)), "the stored text of the same version replaces the one in force")
	require.False(t, passes())
	require.NoError(t, v.restore(stored(8, 20)))
	require.True(t, passes())

	require.Error(t, v.restore(stored(0, 20)))
	gone := stored(1, 1)
	gone.ID, gone.Config = "w", `{"type":"custom","validation_logic":"gone"}`
	require.ErrorIs(t, v.restore(gone), aureus.ErrInvalid)
	builtIn := stored(1, 1)
	builtIn.ID = "not_null"
	require.ErrorIs(t, v.restore(builtIn), aureus.ErrConflict)
	find, err := v.of("t", "anybody")
	require.NoError(t, err)
	require.Nil(t, find("w"), "a validator that could not be restored is not in force")
}

func TestValidators_Find_TheTenantsComeFirst(t *testing.T) {
	v := &inForce{now: time.Now}
	for _, one := range []struct {
		scope storage.Scope
		owner string
		id    string
		limit int
	}{
		{storage.ScopeFormer, "ledger", "a", 1},
		{storage.ScopeFormer, "ledger", "b", 1},
		{storage.ScopeFormer, "ledger", "c", 1},
		{storage.ScopeSubject, "ledger", "a", 2},
		{storage.ScopeSubject, "ledger", "b", 2},
		{storage.ScopeTenant, "", "a", 3},
	} {
		config := fmt.Sprintf(`{"type":"max_size","parameters":{"max":%d}}`, one.limit)
		require.NoError(t, v.restore(storage.Validator{Tenant: "t", Scope: one.scope, Owner: one.owner, ID: one.id, Version: 1, Config: config}))
	}
	for subject, wants := range map[string]map[string]int{
		"ledger":  {"a": 3, "b": 2, "c": 1},
		"payroll": {"a": 3, "b": 1, "c": 1},
	} {
		find, err := v.of("t", subject)
		require.NoError(t, err)
		for id, limit := range wants {
			for size := range 5 {
				result := find(id)(t.Context(), crvgate.Change[any]{Data: strings.Repeat("x", size)})
				require.Equal(t, size+2 <= limit, result.Valid, "%s, %s, %d", subject, id, size)
			}
		}
		require.Nil(t, find("d"))
		require.NotNil(t, find("not_null"))
	}
	all, err := v.tenant("t")
	require.NoError(t, err)
	config := []byte(`{"type":"not_null"}`)
	require.ErrorIs(t, all.check(t.Context(), storage.ScopeSubject, "a", config), aureus.ErrConflict)
	require.NoError(t, all.check(t.Context(), storage.ScopeTenant, "a", config))
	require.NoError(t, all.check(t.Context(), storage.ScopeSubject, "b", config))
	require.ErrorIs(t, all.check(t.Context(), storage.ScopeTenant, "not_null", config), aureus.ErrConflict)
	require.ErrorIs(t, all.check(t.Context(), storage.ScopeSubject, "b", nil), aureus.ErrInvalid)
}
