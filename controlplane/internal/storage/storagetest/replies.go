package storagetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var replyTests = []func(t *testing.T, open Open){repliesAreGivenBack, repliesExpire, repliesAreCounted, repliesThatAreTooLarge}

// reply returns a reply to the request n, whose body is n.
func reply(n int, at time.Time) storage.Reply {
	text := strconv.Itoa(n)
	return storage.Reply{
		Owner: fair.Owner{Tenant: "t", Key: "k"}, Scope: sha256.Sum256([]byte("scope " + text)), Request: sha256.Sum256([]byte(text)), At: at.Truncate(time.Millisecond),
		Status: 200, Header: map[string][]string{"Content-Type": {"application/json"}}, Body: []byte(text),
	}
}

func addReplies(t *testing.T, db storage.Store, replies ...storage.Reply) {
	t.Helper()
	for _, r := range replies {
		write(t, db, func(tx storage.Tx) error { return tx.Replies().Add(r) })
	}
}

func repliesOf(t *testing.T, db storage.Store, since time.Time) (list []storage.Reply) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		list = nil
		return tx.Replies().Each(since, func(r storage.Reply) error {
			list = append(list, r)
			return nil
		})
	}))
	return list
}

func bodies(t *testing.T, db storage.Store) (list []string) {
	t.Helper()
	for _, r := range repliesOf(t, db, time.UnixMilli(0)) {
		list = append(list, string(r.Body))
	}
	return list
}

// Replies are returned in the order in which they were stored.
func repliesAreGivenBack(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	old, plain, empty := reply(1, noon.Add(-5*time.Minute)), reply(2, noon), reply(3, noon)
	plain.Status, plain.Header = 201, map[string][]string{"Etag": {`"1"`}, "Link": {"<a>", "<b>"}}
	plain.Body = []byte("\x00 {\"größer\":1}\n")
	empty.Body, empty.Header = nil, nil
	addReplies(t, db, old, plain, empty)
	stored := repliesOf(t, db, old.At)
	require.Len(t, stored, 3)
	require.Empty(t, stored[2].Body)
	require.Empty(t, stored[2].Header)
	for i, want := range []storage.Reply{old, plain} {
		require.True(t, want.At.Equal(stored[i].At))
		stored[i].At = want.At
		require.Equal(t, want, stored[i])
	}
	require.Len(t, repliesOf(t, db, old.At.Add(time.Millisecond)), 2)
	stop := errors.New("stop")
	require.ErrorIs(t, db.View(t.Context(), func(tx storage.Tx) error {
		return tx.Replies().Each(time.UnixMilli(0), func(storage.Reply) error { return stop })
	}), stop)
}

// Replies that are older than their life are deleted when the next one is added, or
// when they are pruned.
func repliesExpire(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	addReplies(t, db, reply(1, noon), reply(2, noon.Add(time.Minute)))
	addReplies(t, db, reply(3, noon.Add(storage.ReplyLife)))
	require.Equal(t, []string{"1", "2", "3"}, bodies(t, db), "a reply is kept up to and including the end of its life")
	addReplies(t, db, reply(4, noon.Add(storage.ReplyLife+time.Millisecond)))
	require.Equal(t, []string{"2", "3", "4"}, bodies(t, db))
	require.NoError(t, storage.PruneReplies(t.Context(), db, noon.Add(time.Minute)))
	require.Equal(t, []string{"2", "3", "4"}, bodies(t, db))
	require.NoError(t, storage.PruneReplies(t.Context(), db, noon.Add(time.Hour)))
	require.Empty(t, bodies(t, db))
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) error {
		usage, err := storage.RowsOf(tx).Replies().Usage()
		require.Empty(t, usage)
		return err
	}))
}

// The replies and bytes of each owner are counted, and its oldest reply is deleted
// first.
func repliesAreCounted(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	of := func(tenant, key string, n, size int) storage.Reply {
		r := reply(n, noon)
		r.Owner, r.Body = fair.Owner{Tenant: tenant, Key: key}, bytes.Repeat([]byte{'x'}, size)
		return r
	}
	addReplies(t, db, of("a", "1", 1, 10), of("a", "1", 2, 20), of("a", "2", 3, 30), of("b", "1", 4, 40))
	usage := func() (list []fair.Usage) {
		require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
			list, err = storage.RowsOf(tx).Replies().Usage()
			return err
		}))
		return list
	}
	a1, a2, b1 := fair.Owner{Tenant: "a", Key: "1"}, fair.Owner{Tenant: "a", Key: "2"}, fair.Owner{Tenant: "b", Key: "1"}
	require.ElementsMatch(t, []fair.Usage{{Owner: a1, Rows: 2, Cost: 30}, {Owner: a2, Rows: 1, Cost: 30}, {Owner: b1, Rows: 1, Cost: 40}}, usage())
	write(t, db, func(tx storage.Tx) error {
		freed, err := storage.RowsOf(tx).Replies().DeleteOldest(a1)
		require.EqualValues(t, 10, freed)
		return err
	})
	require.ElementsMatch(t, []fair.Usage{{Owner: a1, Rows: 1, Cost: 20}, {Owner: a2, Rows: 1, Cost: 30}, {Owner: b1, Rows: 1, Cost: 40}}, usage())
	write(t, db, func(tx storage.Tx) error {
		if _, err := storage.RowsOf(tx).Replies().DeleteOldest(a2); err != nil {
			return err
		}
		_, err := storage.RowsOf(tx).Replies().DeleteOldest(a2)
		require.ErrorIs(t, err, storage.ErrNotFound)
		return nil
	})
	require.ElementsMatch(t, []fair.Usage{{Owner: a1, Rows: 1, Cost: 20}, {Owner: b1, Rows: 1, Cost: 40}}, usage())
}

func repliesThatAreTooLarge(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	large := reply(1, noon)
	large.Body = make([]byte, storage.MaxReply)
	addReplies(t, db, large)
	large.Body = make([]byte, storage.MaxReply+1)
	require.ErrorContains(t, db.Update(t.Context(), func(tx storage.Tx) error { return tx.Replies().Add(large) }), "too large")
	require.Len(t, bodies(t, db), 1)
}
