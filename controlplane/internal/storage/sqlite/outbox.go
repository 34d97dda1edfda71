package sqlite

import (
	"database/sql"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

const messageColumns = `SELECT id, tenant, webhook, kind, body, at, due, give_up, attempts, dead, error, mac FROM webhook_outbox `

func scanMessage(row scanner) (m storage.Message, err error) {
	var at, due, giveUp int64
	err = row.Scan(&m.ID, &m.Tenant, &m.Webhook, &m.Kind, &m.Body, &at, &due, &giveUp, &m.Attempts, &m.Dead, &m.Error, &m.MAC)
	m.At, m.Due, m.GiveUp = time.Unix(0, at).UTC(), time.Unix(0, due).UTC(), time.Unix(0, giveUp).UTC()
	return m, err
}

func (t outbox) messages(query string, args ...any) (list []storage.Message, err error) {
	err = t.each(func(rows *sql.Rows) error {
		m, err := scanMessage(rows)
		list = append(list, m)
		return err
	}, messageColumns+query, args...)
	return list, err
}

// Insert implements [storage.OutboxRows].
func (t outbox) Insert(m storage.Message) error {
	_, err := t.exec(`INSERT INTO webhook_outbox (id, tenant, webhook, kind, body, at, due, give_up, attempts, dead, error, mac)
		VALUES (?,?,?,?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`,
		m.ID, m.Tenant, m.Webhook, m.Kind, m.Body, m.At.UnixNano(), m.Due.UnixNano(), m.GiveUp.UnixNano(), m.Attempts, m.Dead, m.Error, m.MAC)
	return err
}

// Change implements [storage.OutboxRows].
func (t outbox) Change(m storage.Message) (int64, error) {
	return t.changed(`UPDATE webhook_outbox SET due = ?, give_up = ?, attempts = ?, dead = ?, error = ?, mac = ? WHERE id = ?`,
		m.Due.UnixNano(), m.GiveUp.UnixNano(), m.Attempts, m.Dead, m.Error, m.MAC, m.ID)
}

// Delete implements [storage.OutboxRows].
func (t outbox) Delete(id string) (int64, error) {
	return t.changed(`DELETE FROM webhook_outbox WHERE id = ?`, id)
}

// Get implements [storage.OutboxRows].
func (t outbox) Get(id string) (storage.Message, error) {
	m, err := scanMessage(t.row(messageColumns+`WHERE id = ?`, id))
	return m, found(err)
}

// Waiting implements [storage.OutboxRows].
func (t outbox) Waiting(webhook, tenant, kind string) (storage.Message, error) {
	m, err := scanMessage(t.row(messageColumns+`WHERE webhook = ? AND dead = 0 AND tenant = ? AND kind = ? ORDER BY seq DESC LIMIT 1`, webhook, tenant, kind))
	return m, found(err)
}

// Due implements [storage.OutboxRows].
func (t outbox) Due(webhook string, now time.Time, limit int) ([]storage.Message, error) {
	return t.messages(`WHERE webhook = ? AND dead = 0 AND due <= ? ORDER BY due, seq LIMIT ?`, webhook, now.UnixNano(), limit)
}

// Dead implements [storage.OutboxRows].
func (t outbox) Dead(webhook string, limit int) ([]storage.Message, error) {
	return t.messages(`WHERE (?1 = '' OR webhook = ?1) AND dead = 1 ORDER BY seq LIMIT ?2`, webhook, limit)
}

// List implements [storage.OutboxRows].
func (t outbox) List(webhook string, limit int) ([]storage.Message, error) {
	return t.messages(`WHERE (?1 = '' OR webhook = ?1) ORDER BY dead DESC, attempts DESC, seq LIMIT ?2`, webhook, limit)
}

// Count implements [storage.OutboxRows].
func (t outbox) Count(webhook string) (n int64, err error) {
	err = t.row(`SELECT coalesce((SELECT stored FROM webhook_counts WHERE webhook = ?), 0)`, webhook).Scan(&n)
	return n, err
}

// DropOne implements [storage.OutboxRows].
func (t outbox) DropOne(webhook string) error {
	_, err := t.exec(`DELETE FROM webhook_outbox WHERE seq = coalesce(
		(SELECT seq FROM webhook_outbox WHERE webhook = ?1 AND dead = 1 ORDER BY seq LIMIT 1),
		(SELECT seq FROM webhook_outbox WHERE webhook = ?1 AND dead = 0 ORDER BY seq LIMIT 1))`, webhook)
	return err
}

// PruneDead implements [storage.OutboxRows].
func (t outbox) PruneDead(before time.Time, limit int) (int64, error) {
	return t.changed(`DELETE FROM webhook_outbox WHERE seq IN (SELECT seq FROM webhook_outbox WHERE dead = 1 AND due < ? ORDER BY seq LIMIT ?)`, before.UnixNano(), limit)
}

// Webhooks implements [storage.OutboxRows].
func (t outbox) Webhooks() (names []string, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, `SELECT DISTINCT webhook FROM webhook_outbox WHERE dead = 0 ORDER BY webhook`)
	return names, err
}

// AddCounts implements [storage.OutboxRows].
func (t outbox) AddCounts(c storage.OutboxCounts) error {
	_, err := t.exec(`INSERT INTO webhook_counts (webhook, stored, delivered, dropped, dead) VALUES (?,0,?,?,?) ON CONFLICT (webhook) DO UPDATE
		SET delivered = delivered + excluded.delivered, dropped = dropped + excluded.dropped, dead = dead + excluded.dead`,
		c.Webhook, c.Delivered, c.Dropped, c.GivenUp)
	return err
}

// Counts implements [storage.OutboxRows].
func (t outbox) Counts() (list []storage.OutboxCounts, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var c storage.OutboxCounts
		err := rows.Scan(&c.Webhook, &c.Waiting, &c.Dead, &c.Delivered, &c.Dropped, &c.GivenUp)
		list = append(list, c)
		return err
	}, `SELECT webhook, stored - (SELECT count(*) FROM webhook_outbox o WHERE o.webhook = c.webhook AND dead = 1),
			(SELECT count(*) FROM webhook_outbox o WHERE o.webhook = c.webhook AND dead = 1), delivered, dropped, dead
		FROM webhook_counts c ORDER BY webhook`)
	return list, err
}
