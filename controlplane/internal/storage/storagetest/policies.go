package storagetest

import (
	"crypto/sha256"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var policyTests = []func(t *testing.T, open Open){bundlesVersions, bundlesOldTexts, stopsOfTenants, budgetsSlidingWindow, budgetsRelease, budgetsPrune, budgetsMany, budgetsLargest}

func bundle(tenant string, version int64) storage.Bundle {
	text := []byte("name: ledger\nversion: " + strconv.FormatInt(version, 10) + "\n\x00\xff")
	return storage.Bundle{
		Tenant: tenant, Name: "ledger", Version: version, Digest: sha256.Sum256(text), Text: text, Signature: []byte{1, 2},
		PutBy: "adam", KeyID: "k", PutAt: noon.Add(time.Duration(version)),
	}
}

func putBundle(t *testing.T, db storage.Store, b storage.Bundle) (changed bool, err error) {
	t.Helper()
	err = db.Update(t.Context(), func(tx storage.Tx) error {
		c, err := tx.Policies().PutBundle(b)
		changed = c
		return err
	})
	return changed, err
}

// policies returns what read returns in a view of the store.
func policies[T any](t *testing.T, db storage.Store, read func(storage.Policies) (T, error)) (value T, err error) {
	t.Helper()
	err = db.View(t.Context(), func(tx storage.Tx) error {
		v, err := read(tx.Policies())
		value = v
		return err
	})
	return value, err
}

// kinds returns the kinds of all entries of the tenant's log.
func kinds(t *testing.T, db storage.Store, tenant string) (list []string) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list = nil
		entries, err := tx.Audit().List(tenant, storage.AuditFilter{Limit: 1000})
		for _, e := range entries {
			list = append(list, e.Kind)
		}
		return err
	}))
	return list
}

// The highest version is in force, and a version is never replaced. All versions are
// returned as they were stored, to their own tenant only.
func bundlesVersions(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	inForce := func(tenant string) (storage.Bundle, error) {
		return policies(t, db, func(p storage.Policies) (storage.Bundle, error) { return p.Bundle(tenant) })
	}
	revision := func(tenant string) int64 {
		n, err := policies(t, db, func(p storage.Policies) (int64, error) { return p.Revision(tenant) })
		require.NoError(t, err)
		return n
	}
	_, err := inForce("t")
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.Zero(t, revision("t"))
	for _, version := range []int64{2, 7} {
		changed, err := putBundle(t, db, bundle("t", version))
		require.NoError(t, err)
		require.True(t, changed)
	}
	changed, err := putBundle(t, db, bundle("t", 7))
	require.NoError(t, err)
	require.False(t, changed, "the same bytes again change nothing")
	other := bundle("t", 7)
	other.Text = []byte("other")
	renamed := bundle("t", 8)
	renamed.Name = "other"
	for _, refused := range []storage.Bundle{other, renamed, bundle("t", 3), bundle("t", 2)} {
		_, err = putBundle(t, db, refused)
		require.ErrorIs(t, err, storage.ErrConflict)
	}
	require.EqualValues(t, 2, revision("t"))
	require.Equal(t, []string{vocab.AuditBundlePut, vocab.AuditBundlePut}, kinds(t, db, "t"))

	got, err := inForce("t")
	require.NoError(t, err)
	require.Equal(t, bundle("t", 7), got)
	got, err = policies(t, db, func(p storage.Policies) (storage.Bundle, error) { return p.BundleVersion("t", 2) })
	require.NoError(t, err)
	require.Equal(t, bundle("t", 2), got)
	_, err = policies(t, db, func(p storage.Policies) (storage.Bundle, error) { return p.BundleVersion("t", 3) })
	require.ErrorIs(t, err, storage.ErrNotFound)

	_, err = inForce("u")
	require.ErrorIs(t, err, storage.ErrNotFound)
	require.Zero(t, revision("u"))
	tenants, err := policies(t, db, func(p storage.Policies) ([]string, error) { return p.BundleTenants() })
	require.NoError(t, err)
	require.Equal(t, []string{"t"}, tenants)

	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list, more, err := tx.Policies().Bundles("t", 0, 1)
		require.NoError(t, err)
		require.True(t, more)
		newest := bundle("t", 7)
		newest.Text = nil
		require.Equal(t, []storage.Bundle{newest}, list)
		list, more, err = tx.Policies().Bundles("t", 7, 1)
		require.NoError(t, err)
		require.False(t, more)
		require.EqualValues(t, 2, list[0].Version)
		return err
	}))
}

// Versions beyond KeptBundles lose their text, and keep their name and digest.
func bundlesOldTexts(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	write(t, db, func(tx storage.Tx) error {
		for version := range int64(storage.KeptBundles + 2) {
			if _, err := tx.Policies().PutBundle(bundle("t", version+1)); err != nil {
				return err
			}
		}
		return nil
	})
	for version, kept := range map[int64]bool{1: false, 2: false, 3: true, storage.KeptBundles + 2: true} {
		got, err := policies(t, db, func(p storage.Policies) (storage.Bundle, error) { return p.BundleVersion("t", version) })
		require.NoError(t, err)
		want := bundle("t", version)
		if !kept {
			want.Text, want.Signature = nil, nil
		}
		require.Equal(t, want, got)
	}
}

// A stop holds for its tenant until it is removed, and each change is in the log.
func stopsOfTenants(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	stop := storage.Stop{Tenant: "t", Scope: "principal:batch-*", Reason: "runaway", By: "olga", KeyID: "k", At: noon}
	all := stop
	all.Scope = "all"
	set := func(s storage.Stop) (changed bool, err error) {
		err = db.Update(t.Context(), func(tx storage.Tx) error {
			c, err := tx.Policies().Stop(s)
			changed = c
			return err
		})
		return changed, err
	}
	resume := func(tenant, scope string) error {
		return db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Policies().Resume(tenant, noon, storage.Actor{KeyID: "k", Subject: "olga"}, scope)
		})
	}
	stops := func(tenant string) []storage.Stop {
		list, err := policies(t, db, func(p storage.Policies) ([]storage.Stop, error) { return p.Stops(tenant) })
		require.NoError(t, err)
		return list
	}
	require.Empty(t, stops("t"))
	for _, s := range []storage.Stop{stop, all} {
		changed, err := set(s)
		require.NoError(t, err)
		require.True(t, changed)
	}
	again := stop
	again.Reason = "another"
	changed, err := set(again)
	require.NoError(t, err)
	require.False(t, changed)
	require.Equal(t, []storage.Stop{all, stop}, stops("t"))
	require.NotEqual(t, storage.StopsDigest(stops("t")), storage.StopsDigest(stops("t")[:1]))
	require.Empty(t, stops("u"))
	require.ErrorIs(t, resume("u", "all"), storage.ErrNotFound)
	require.NoError(t, resume("t", "all"))
	require.ErrorIs(t, resume("t", "all"), storage.ErrNotFound)
	require.Equal(t, []storage.Stop{stop}, stops("t"))
	revision, err := policies(t, db, func(p storage.Policies) (int64, error) { return p.Revision("t") })
	require.NoError(t, err)
	require.EqualValues(t, 3, revision)
	require.Equal(t, []string{vocab.AuditPolicyStopped, vocab.AuditPolicyStopped, vocab.AuditPolicyResumed}, kinds(t, db, "t"))

	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
		for i := range storage.MaxStops {
			s := stop
			s.Scope = "action:" + strconv.Itoa(i)
			if _, err := tx.Policies().Stop(s); err != nil {
				return err
			}
		}
		return nil
	}), storage.ErrTooManyStops)
}

func room(t *testing.T, db storage.Store, tenant string, now time.Time, list ...storage.Reservation) []storage.Exceeded {
	t.Helper()
	exceeded, err := policies(t, db, func(p storage.Policies) ([]storage.Exceeded, error) { return p.Room(tenant, now, list) })
	require.NoError(t, err)
	return exceeded
}

func reserve(t *testing.T, db storage.Store, tenant string, now time.Time, decision aureus.DecisionID, list ...storage.Reservation) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error { return tx.Policies().Reserve(tenant, now, decision, list) })
}

// The amounts of a budget count for its window, for each key and tenant separately.
func budgetsSlidingWindow(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	amount := func(key string, n int64) storage.Reservation {
		return storage.Reservation{Budget: "hourly", Key: key, Window: time.Hour, Amount: n, Limit: 100}
	}
	require.Empty(t, room(t, db, "t", noon, amount("a", 100)), "the limit itself is allowed")
	require.Equal(t, []storage.Exceeded{{Index: 0}}, room(t, db, "t", noon, amount("a", 105)), "never room")
	reserve(t, db, "t", noon, aureus.NewDecisionID(noon), amount("a", 60))
	reserve(t, db, "t", noon.Add(10*time.Minute), aureus.NewDecisionID(noon), amount("a", 35))
	at := noon.Add(20 * time.Minute)
	require.Empty(t, room(t, db, "t", at, amount("a", 5), amount("b", 100)))
	require.Empty(t, room(t, db, "u", at, amount("a", 100)))
	require.Equal(t, []storage.Exceeded{
		{Index: 1, Used: 95, RetryAfter: 40 * time.Minute},
		{Index: 2, Used: 95, RetryAfter: 50 * time.Minute},
	}, room(t, db, "t", at, amount("b", 10), amount("a", 10), amount("a", 70)))
	require.Empty(t, room(t, db, "t", noon.Add(time.Hour), amount("a", 65)), "an amount counts for less than the window")
	require.NotEmpty(t, room(t, db, "t", noon.Add(time.Hour-1), amount("a", 65)))
}

// The reservations of a decision that did nothing are given back.
func budgetsRelease(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	one := storage.Reservation{Budget: "b", Window: time.Hour, Amount: 1, Limit: 2}
	first, second := aureus.NewDecisionID(noon), aureus.NewDecisionID(noon)
	reserve(t, db, "t", noon, first, one)
	reserve(t, db, "t", noon, second, one)
	require.Len(t, room(t, db, "t", noon, one), 1)
	release := func(tenant string, id aureus.DecisionID) {
		write(t, db, func(tx storage.Tx) error { return tx.Policies().Release(tenant, id) })
	}
	release("u", first)
	require.Len(t, room(t, db, "t", noon, one), 1)
	release("t", first)
	release("t", first)
	require.Empty(t, room(t, db, "t", noon, one))
	two := one
	two.Amount = 2
	require.Len(t, room(t, db, "t", noon, two), 1)

	write(t, db, func(tx storage.Tx) error { return tx.Policies().Keep("u", second) })
	write(t, db, func(tx storage.Tx) error { return tx.Policies().Keep("t", second) })
	release("t", second)
	require.Len(t, room(t, db, "t", noon, two), 1, "what is kept is not given back")
	require.Empty(t, room(t, db, "t", noon.Add(time.Hour), two))
}

// Reservations are deleted after their window, and not before.
func budgetsPrune(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	one := storage.Reservation{Budget: "b", Window: time.Hour, Amount: 1, Limit: 1}
	for i := range time.Duration(3) {
		reserve(t, db, "t", noon.Add(i), aureus.NewDecisionID(noon), one)
	}
	prune := func(now time.Time, limit int) (n int64) {
		write(t, db, func(tx storage.Tx) (err error) {
			n, err = tx.Policies().Prune(now, limit)
			return err
		})
		return n
	}
	require.Zero(t, prune(noon.Add(time.Hour), 10))
	require.EqualValues(t, 1, prune(noon.Add(time.Hour+2), 1))
	n, err := storage.Prune(t.Context(), db, storage.Retention{Now: noon.Add(time.Hour + 2)})
	require.NoError(t, err)
	require.EqualValues(t, 1, n)
	require.Len(t, room(t, db, "t", noon.Add(time.Hour+1), one), 1)
}
