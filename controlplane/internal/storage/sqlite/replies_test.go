package sqlite

import (
	"crypto/sha256"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

func aReply(n int) storage.Reply {
	return storage.Reply{Owner: fair.Owner{Tenant: "t", Key: strconv.Itoa(n % 10)}, Scope: sha256.Sum256(strconv.AppendInt(nil, int64(n), 10)), At: noon, Status: 200, Body: []byte(strconv.Itoa(n))}
}

// The test exceeds the real limits, first that of the number and then that of the
// bytes.
func TestReplies_TheRealBounds_AreKept(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	db := openStore(t)
	const each = 1000
	for n := 0; n < storage.MaxReplies+2*each; n += each {
		write(t, db, func(tx storage.Tx) error {
			for i := range each {
				if err := tx.Replies().Add(aReply(n + i)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	usage := func() (rows, bytes, counted, cost int64) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
			if err := sqlOf(tx).row(`SELECT count(*), sum(length(body)) FROM replies`).Scan(&rows, &bytes); err != nil {
				return err
			}
			return sqlOf(tx).row(`SELECT sum(rows), sum(cost) FROM reply_usage`).Scan(&counted, &cost)
		}))
		return rows, bytes, counted, cost
	}
	rows, bytes, counted, cost := usage()
	require.EqualValues(t, storage.MaxReplies, rows)
	require.Equal(t, []int64{rows, bytes}, []int64{counted, cost})

	large := aReply(0)
	large.Body = make([]byte, storage.MaxReply)
	for range storage.MaxReplyBytes/storage.MaxReply + 5 {
		write(t, db, func(tx storage.Tx) error { return tx.Replies().Add(large) })
	}
	rows, bytes, counted, cost = usage()
	require.LessOrEqual(t, bytes, int64(storage.MaxReplyBytes))
	require.Equal(t, []int64{rows, bytes}, []int64{counted, cost})
}

// A stored response that cannot be read makes the whole read fail.
func TestReplies_Damaged_AreAnError(t *testing.T) {
	for name, change := range map[string]string{
		"a hash of the wrong length": "UPDATE replies SET scope = x'00'",
		"a header that is not JSON":  "UPDATE replies SET header = '{'",
	} {
		t.Run(name, func(t *testing.T) {
			db := openStore(t)
			write(t, db, func(tx storage.Tx) error { return tx.Replies().Add(aReply(1)) })
			_, err := db.writer.ExecContext(t.Context(), change)
			require.NoError(t, err)
			require.Error(t, db.View(t.Context(), func(tx storage.Tx) error {
				return tx.Replies().Each(time.UnixMilli(0), func(storage.Reply) error { return nil })
			}))
		})
	}
}

func BenchmarkAddReply(b *testing.B) {
	db := openStore(b)
	r := aReply(1)
	r.Body = make([]byte, 300)
	b.ReportAllocs()
	for b.Loop() {
		if err := db.Update(b.Context(), func(tx storage.Tx) error { return tx.Replies().Add(r) }); err != nil {
			b.Fatal(err)
		}
	}
}
