package storagetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

var outboxTests = []func(t *testing.T, open Open){
	messageIsStoredWithItsEntry, messageIsDueUntilDelivered, failedMessageWaits, deadMessageIsRetried, fullOutboxDropsTheOldest,
	checkpointSupersedesTheOneThatWaits, alteredMessageIsNotRetried, deadMessagesArePruned,
}

// announcer makes one message for each entry and each checkpoint.
type announcer struct{}

func (announcer) OfEntry(tenant string, e aureus.AuditRecord) []storage.Message {
	return []storage.Message{message(fmt.Sprintf("%s-%d-%s", tenant, e.Sequence, e.Hash), noon)}
}

func (announcer) OfCheckpoint(c storage.Checkpoint) []storage.Message {
	m := message(fmt.Sprintf("checkpoint-%d", c.Size), noon)
	m.Kind = storage.KindCheckpoint
	return []storage.Message{m}
}

func message(id string, due time.Time) storage.Message {
	return storage.Message{ID: id, Tenant: "default", Webhook: "chat", Kind: "approval.asked", Body: `{"id":"` + id + `"}`, At: due, Due: due, GiveUp: due.Add(time.Hour)}
}

func add(t *testing.T, db storage.Store, messages ...storage.Message) {
	t.Helper()
	write(t, db, func(tx storage.Tx) error { return tx.Outbox().Add(messages...) })
}

func dueAt(t *testing.T, db storage.Store, now time.Time) (list []storage.Message) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		list, err = tx.Outbox().Due("chat", now, 100)
		return err
	}))
	return list
}

func countsOf(t *testing.T, db storage.Store) (counts []storage.OutboxCounts) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx storage.Tx) (err error) {
		counts, err = tx.Outbox().Counts()
		return err
	}))
	return counts
}

func idsOf(list []storage.Message) (ids []string) {
	for _, m := range list {
		ids = append(ids, m.ID)
	}
	return ids
}

func messageIsStoredWithItsEntry(t *testing.T, open Open) {
	db := open(t, storage.Options{Announce: announcer{}})
	write(t, db, appendEntry("a"))
	failed := errors.New("failed")
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
		if err := appendEntry("b")(tx); err != nil {
			return err
		}
		return failed
	}), failed)
	list := dueAt(t, db, noon)
	require.Len(t, list, 1, "the message of a transaction that was rolled back is not stored")
	require.Contains(t, list[0].ID, "default-1-")
	require.Equal(t, []string{"a"}, texts(t, db))
}

func messageIsDueUntilDelivered(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	add(t, db, message("b", noon.Add(time.Second)), message("a", noon), message("c", noon.Add(time.Minute)))
	require.Equal(t, []string{"a", "b"}, idsOf(dueAt(t, db, noon.Add(time.Second))))
	list := dueAt(t, db, noon)
	require.Len(t, list, 1)
	want := message("a", noon)
	want.MAC = list[0].MAC
	require.Equal(t, want, list[0])
	for range 2 { // the second time it is gone
		write(t, db, func(tx storage.Tx) error { return tx.Outbox().Delivered(list[0]) })
	}
	require.Empty(t, dueAt(t, db, noon))
	require.Equal(t, []storage.OutboxCounts{{Webhook: "chat", Waiting: 2, Delivered: 1}}, countsOf(t, db))
}

func failedMessageWaits(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	add(t, db, message("a", noon))
	m := dueAt(t, db, noon)[0]
	m.Attempts, m.Due, m.Error = 1, noon.Add(time.Minute), "no answer"
	write(t, db, func(tx storage.Tx) error { return tx.Outbox().Failed(m) })
	require.Empty(t, dueAt(t, db, noon.Add(59*time.Second)))
	list := dueAt(t, db, noon.Add(time.Minute))
	require.Len(t, list, 1)
	require.NotNil(t, list[0].MAC)
	require.Equal(t, 1, list[0].Attempts)
	require.Equal(t, "no answer", list[0].Error)
}

func deadMessageIsRetried(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	add(t, db, message("a", noon), message("b", noon))
	for _, m := range dueAt(t, db, noon) {
		m.Attempts, m.Dead = 9, true
		write(t, db, func(tx storage.Tx) error { return tx.Outbox().Failed(m) })
	}
	require.Empty(t, dueAt(t, db, noon.Add(time.Hour)))
	require.Equal(t, []storage.OutboxCounts{{Webhook: "chat", Dead: 2, GivenUp: 2}}, countsOf(t, db))
	retry := func(webhook, id string, limit int) (n int64) {
		write(t, db, func(tx storage.Tx) (err error) {
			n, err = tx.Outbox().Retry(webhook, id, noon, noon.Add(time.Hour), limit)
			return err
		})
		return n
	}
	require.Equal(t, int64(0), retry("other", "", 10))
	require.Equal(t, int64(1), retry("", "b", 10))
	require.Equal(t, int64(0), retry("", "b", 10), "it is not dead any more")
	require.Equal(t, []string{"b"}, idsOf(dueAt(t, db, noon)))
	require.Equal(t, int64(1), retry("chat", "", 10))
	require.Len(t, dueAt(t, db, noon), 2)
	require.ErrorIs(t, db.Update(t.Context(), func(tx storage.Tx) error {
		_, err := tx.Outbox().Retry("", "unknown", noon, noon, 1)
		return err
	}), storage.ErrNotFound)
}

func fullOutboxDropsTheOldest(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	write(t, db, func(tx storage.Tx) error {
		for i := range storage.MaxOutbox {
			if err := tx.Outbox().Add(message(fmt.Sprintf("%05d", i), noon)); err != nil {
				return err
			}
		}
		other := message("other", noon)
		other.Webhook = "siem"
		return tx.Outbox().Add(other)
	})
	var dead storage.Message
	write(t, db, func(tx storage.Tx) (err error) {
		if dead, err = tx.Outbox().Get("00007"); err != nil {
			return err
		}
		dead.Dead = true
		return tx.Outbox().Failed(dead)
	})
	add(t, db, message("first beyond", noon)) // the dead one goes
	add(t, db, message("second beyond", noon))
	list := dueAt(t, db, noon)
	require.Equal(t, "00001", list[0].ID, "the oldest was dropped")
	require.Equal(t, []storage.OutboxCounts{
		{Webhook: "chat", Waiting: storage.MaxOutbox, Dropped: 2, GivenUp: 1}, {Webhook: "siem", Waiting: 1},
	}, countsOf(t, db))
}

func checkpointSupersedesTheOneThatWaits(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	of := func(c storage.Checkpoint) storage.Message { return announcer{}.OfCheckpoint(c)[0] }
	add(t, db, of(storage.Checkpoint{Size: 1}))
	m := dueAt(t, db, noon)[0]
	m.Attempts, m.Due = 3, noon.Add(time.Minute)
	write(t, db, func(tx storage.Tx) error { return tx.Outbox().Failed(m) })
	add(t, db, of(storage.Checkpoint{Size: 2}))
	require.Empty(t, dueAt(t, db, noon), "a receiver that fails is not asked more often because there is a new checkpoint")
	list := dueAt(t, db, noon.Add(time.Minute))
	require.Equal(t, []string{"checkpoint-2"}, idsOf(list))
	require.Equal(t, 3, list[0].Attempts)

	announced := open(t, storage.Options{Announce: announcer{}})
	addEntries(t, announced, 3)
	extend(t, announced, noon)
	require.Contains(t, idsOf(dueAt(t, announced, noon)), "checkpoint-3")
}

func alteredMessageIsNotRetried(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	add(t, db, message("a", noon))
	write(t, db, func(tx storage.Tx) error { // what SQL would do
		m := dueRow(tx)
		m.Due = m.Due.Add(-time.Second)
		_, err := storage.RowsOf(tx).Outbox().Change(m)
		return err
	})
	m := dueAt(t, db, noon)[0]
	require.Nil(t, m.MAC)
	require.Equal(t, storage.ErrAltered.Error(), m.Error)
	m.Dead = true
	write(t, db, func(tx storage.Tx) error { return tx.Outbox().Failed(m) })
	write(t, db, func(tx storage.Tx) error {
		n, err := tx.Outbox().Retry("", "a", noon, noon.Add(time.Hour), 1)
		require.Zero(t, n)
		return err
	})
}

func dueRow(tx storage.Tx) storage.Message {
	m, err := tx.Outbox().Get("a")
	if err != nil {
		panic(err)
	}
	return m
}

func deadMessagesArePruned(t *testing.T, open Open) {
	db := open(t, storage.Options{})
	add(t, db, message("a", noon), message("b", noon.Add(time.Hour)), message("c", noon))
	for _, m := range dueAt(t, db, noon.Add(time.Hour)) {
		if m.Dead = m.ID != "c"; m.Dead {
			write(t, db, func(tx storage.Tx) error { return tx.Outbox().Failed(m) })
		}
	}
	var n int64
	write(t, db, func(tx storage.Tx) (err error) {
		n, err = tx.Outbox().PruneDead(noon.Add(time.Minute), 10)
		return err
	})
	require.Equal(t, int64(1), n)
	require.Equal(t, []storage.OutboxCounts{{Webhook: "chat", Waiting: 1, Dead: 1, GivenUp: 2}}, countsOf(t, db))
}
