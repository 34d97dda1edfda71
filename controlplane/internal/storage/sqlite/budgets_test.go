package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Reservations that were stored before there were sums count as before.
func TestMigration_OldReservations_AreInTheSums(t *testing.T) {
	const before, with = 19, 21
	file := filepath.Join(t.TempDir(), "old.db")
	db, err := Open(t.Context(), file, storage.Options{})
	require.NoError(t, err)
	r := storage.Reservation{Budget: "b", Key: "k", Window: time.Hour, Amount: 3_500_000, Limit: 8_000_000}
	for n := range 2 {
		require.NoError(t, db.Update(t.Context(), func(tx storage.Tx) error {
			return tx.Policies().Reserve("t", noon.Add(time.Duration(n)*time.Minute), aureus.NewDecisionID(noon), []storage.Reservation{r})
		}))
	}
	require.NoError(t, db.Close())
	raw, provider := schemaProvider(t, file)
	_, err = provider.DownTo(t.Context(), before)
	require.NoError(t, err)
	_, err = provider.UpTo(t.Context(), with)
	require.NoError(t, err)
	require.NoError(t, raw.Close())
	db, err = Open(t.Context(), file, storage.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		exceeded, err := tx.Policies().Room("t", noon.Add(10*time.Minute), []storage.Reservation{r})
		require.Equal(t, []storage.Exceeded{{Used: 7_000_000, RetryAfter: 50 * time.Minute}}, exceeded)
		return err
	}))
}

// BenchmarkRoom measures whether a budget with nearly as many reservations as it may have has
// room, and when it has room again if it has none.
func BenchmarkRoom(b *testing.B) {
	db, err := Open(b.Context(), filepath.Join(b.TempDir(), "a.db"), storage.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, db.Close()) })
	const each = 1000
	now := noon
	r := storage.Reservation{Budget: "hourly", Key: "ann", Window: time.Hour, Amount: 1, Limit: 1 << 40}
	for range storage.MaxReservations/each - 1 {
		require.NoError(b, db.Update(b.Context(), func(tx storage.Tx) error {
			for range each {
				now = now.Add(30 * time.Millisecond)
				if err := tx.Policies().Reserve("t", now, aureus.NewDecisionID(now), []storage.Reservation{r}); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for name, limit := range map[string]int64{"free": 1 << 40, "exceeded": storage.MaxReservations / 2} {
		r.Limit = limit
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := db.View(b.Context(), func(tx storage.Tx) error {
					_, err := tx.Policies().Room("t", now, []storage.Reservation{r})
					return err
				}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
