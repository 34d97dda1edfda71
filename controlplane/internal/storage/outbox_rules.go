package storage

import (
	"errors"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// outboxRules implements [Outbox].
type outboxRules struct {
	OutboxRows

	options *Options
}

// announceEntry stores the messages about a new audit entry.
func (o *outboxRules) announceEntry(tenant string, e aureus.AuditRecord) error {
	if o.options.Announce == nil {
		return nil
	}
	return o.Add(o.options.Announce.OfEntry(tenant, e)...)
}

// AddCheckpoint implements [Outbox].
func (o *outboxRules) AddCheckpoint(c Checkpoint) error {
	if o.options.Announce == nil {
		return nil
	}
	return o.Add(o.options.Announce.OfCheckpoint(c)...)
}

// Add implements [Outbox].
func (o *outboxRules) Add(messages ...Message) error {
	for _, m := range messages {
		if err := o.add(m); err != nil {
			return err
		}
	}
	return nil
}

func (o *outboxRules) add(m Message) error {
	if m.Supersedes() {
		old, err := o.Waiting(m.Webhook, m.Tenant, m.Kind)
		switch {
		case errors.Is(err, ErrNotFound):
		case err != nil:
			return err
		default:
			if old.Check(o.options.SigningKey) == nil {
				m.Attempts, m.Due, m.Error = old.Attempts, old.Due, old.Error
			}
			if _, err := o.Delete(old.ID); err != nil {
				return err
			}
		}
	}
	n, err := o.Count(m.Webhook)
	if err != nil {
		return err
	}
	if n >= MaxOutbox {
		if err := o.DropOne(m.Webhook); err != nil {
			return err
		}
		if err := o.AddCounts(OutboxCounts{Webhook: m.Webhook, Dropped: 1}); err != nil {
			return err
		}
	}
	return o.Insert(m.Sealed(o.options.SigningKey))
}

// Due implements [Outbox].
func (o *outboxRules) Due(webhook string, now time.Time, limit int) ([]Message, error) {
	list, err := o.OutboxRows.Due(webhook, now, limit)
	for i := range list {
		if err := list[i].Check(o.options.SigningKey); err != nil {
			list[i].Error, list[i].MAC = err.Error(), nil
		}
	}
	return list, err
}

// Delivered implements [Outbox].
func (o *outboxRules) Delivered(m Message) error {
	n, err := o.Delete(m.ID)
	if err != nil || n == 0 {
		return err
	}
	return o.AddCounts(OutboxCounts{Webhook: m.Webhook, Delivered: 1})
}

// Failed implements [Outbox].
func (o *outboxRules) Failed(m Message) error {
	if m.MAC == nil {
		m.MAC = []byte{} // it was changed outside of the server: a right code would hide that
	} else {
		m = m.Sealed(o.options.SigningKey)
	}
	n, err := o.Change(m)
	if err != nil || n == 0 || !m.Dead {
		return err
	}
	return o.AddCounts(OutboxCounts{Webhook: m.Webhook, GivenUp: 1})
}

// Retry implements [Outbox]. A message that was changed outside of the server stays dead.
func (o *outboxRules) Retry(webhook, id string, now, giveUp time.Time, limit int) (n int64, err error) {
	var list []Message
	if id != "" {
		m, err := o.Get(id)
		if err != nil {
			return 0, err
		}
		if m.Dead {
			list = append(list, m)
		}
	} else if list, err = o.Dead(webhook, limit); err != nil {
		return 0, err
	}
	for _, m := range list {
		if m.Check(o.options.SigningKey) != nil {
			continue
		}
		m.Dead, m.Due, m.GiveUp, m.Attempts = false, now, giveUp, 0
		changed, err := o.Change(m.Sealed(o.options.SigningKey))
		if err != nil {
			return n, err
		}
		n += changed
	}
	return n, nil
}
