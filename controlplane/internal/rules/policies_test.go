package rules

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
)

// A bundle may take seconds to compile, so it is compiled once: not again when it comes into
// force, and not for each new stop, which holds at once nevertheless.
func TestPolicies_NewStop_HoldsWithoutCompilingTheBundleAgain(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	rules := Rules{Now: time.Now, Policies: &Policies{Store: db}}
	put := func(version int) {
		text := fmt.Appendf(nil, "aureus: policy/1\nname: b\nversion: %d\nprincipals: {p: {roles: []}}\nactions: {a: {tier: low, requires: []}}\n", version)
		bundle, err := rules.Policies.Compile(text, nil)
		require.NoError(t, err)
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Policies().PutBundle(storage.Bundle{Tenant: "t", Name: "b", Version: int64(version), Digest: sha256.Sum256(text), Text: text, PutAt: time.Now()})
			return err
		}))
		rules.Replaced("t", bundle, nil)
	}
	policy := func() *Policy {
		p, err := rules.For(t.Context(), "t")
		require.NoError(t, err)
		return p
	}
	effect := func(p *Policy) aureus.Effect {
		v, err := p.Evaluate(t.Context(), aureus.Request{Principal: aureus.Principal{ID: "p"}, Action: aureus.Action{ID: "a"}})
		require.NoError(t, err)
		return v.Decision.Effect
	}
	put(1)
	first := policy()
	require.Equal(t, aureus.Allow, effect(first))

	require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Policies().Stop(storage.Stop{Tenant: "t", Scope: "principal:p", At: time.Now()})
		return err
	}))
	rules.Changed("t")
	stopped := policy()
	require.Same(t, first.bundle, stopped.bundle)
	require.Equal(t, aureus.Deny, effect(stopped))

	bundle, err := rules.Policies.Compile(first.bundle.Text(), nil)
	require.NoError(t, err)
	rules.Replaced("t", bundle, []byte("another signature"))
	require.NotSame(t, bundle, policy().bundle, "what is not exactly the stored bundle is not used")

	put(2)
	second := policy()
	require.EqualValues(t, 2, second.bundle.Version())
	rules.Changed("t")
	require.Same(t, second.bundle, policy().bundle)
	require.Equal(t, second.bundle.MemorySize(), rules.Policies.memory)
}

// The bundles that are kept compiled take no more memory than is allowed, and those of other
// tenants are compiled again when they are needed.
func TestPolicies_MoreThanTheirMemory_AreNotAllKept(t *testing.T) {
	t.Parallel()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	text := []byte("aureus: policy/1\nname: b\nversion: 1\nactions: {a: {tier: low, requires: []}}\n")
	policies := &Policies{Store: db}
	bundle, err := policies.Compile(text, nil)
	require.NoError(t, err)
	policies.MaxMemory = 3*bundle.MemorySize() + 1
	rules := Rules{Now: time.Now, Policies: policies}
	for n := range 8 {
		tenant := fmt.Sprintf("t%d", n)
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			_, err := tx.Policies().PutBundle(storage.Bundle{Tenant: tenant, Name: "b", Version: 1, Digest: sha256.Sum256(text), Text: text, PutAt: time.Now()})
			return err
		}))
		p, err := rules.For(t.Context(), tenant)
		require.NoError(t, err)
		require.EqualValues(t, 1, p.Bundle().Version())
		require.LessOrEqual(t, policies.memory, policies.MaxMemory)
		require.Equal(t, int64(min(n+1, 3))*bundle.MemorySize(), policies.memory)
	}
	require.Len(t, policies.tenants, 3)
}
