package sqlite

import (
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// Add implements [storage.ReplyRows].
func (t replies) Add(r storage.Reply) error {
	header, err := strictjson.Marshal(r.Header)
	if err != nil {
		return fmt.Errorf("encoding the header of a response: %w", err)
	}
	if r.Body == nil {
		r.Body = []byte{} // nil would be stored as NULL
	}
	_, err = t.exec(`INSERT INTO replies (tenant, key_id, received, cost, scope, request, status, header, body) VALUES (?,?,?,?,?,?,?,?,?)`,
		r.Owner.Tenant, r.Owner.Key, r.At.UnixMilli(), len(r.Body), r.Scope[:], r.Request[:], r.Status, string(header), r.Body)
	return err
}

// Each implements [storage.ReplyRows].
func (t replies) Each(since time.Time, visit func(storage.Reply) error) error {
	return t.each(func(rows *sql.Rows) error {
		var r storage.Reply
		var received int64
		var scope, request []byte
		var header string
		if err := rows.Scan(&r.Owner.Tenant, &r.Owner.Key, &received, &scope, &request, &r.Status, &header, &r.Body); err != nil {
			return err
		}
		if len(scope) != sha256.Size || len(request) != sha256.Size {
			return errors.New("a stored response has a hash of the wrong length")
		}
		if err := strictjson.Unmarshal([]byte(header), &r.Header); err != nil {
			return fmt.Errorf("decoding the header of a stored response: %w", err)
		}
		r.Scope, r.Request, r.At = [sha256.Size]byte(scope), [sha256.Size]byte(request), time.UnixMilli(received)
		return visit(r)
	}, `SELECT tenant, key_id, received, scope, request, status, header, body FROM replies WHERE received >= ? ORDER BY seq`, since.UnixMilli())
}

// Expired implements [storage.ReplyRows].
func (t replies) Expired(before time.Time) (found bool, err error) {
	err = t.row(`SELECT EXISTS (SELECT 1 FROM replies WHERE received < ?)`, before.UnixMilli()).Scan(&found)
	return found, err
}

// Prune implements [storage.ReplyRows].
func (t replies) Prune(before time.Time, limit int) (int64, error) {
	return t.changed(`DELETE FROM replies WHERE seq IN (SELECT seq FROM replies WHERE received < ? ORDER BY received, seq LIMIT ?)`, before.UnixMilli(), limit)
}

// Usage implements [storage.ReplyRows].
func (t replies) Usage() (list []fair.Usage, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var u fair.Usage
		err := rows.Scan(&u.Tenant, &u.Key, &u.Rows, &u.Cost)
		list = append(list, u)
		return err
	}, `SELECT tenant, key_id, rows, cost FROM reply_usage`)
	return list, err
}

// DeleteOldest implements [storage.ReplyRows].
func (t replies) DeleteOldest(owner fair.Owner) (bytes int64, err error) {
	err = t.row(`DELETE FROM replies WHERE seq = (SELECT seq FROM replies WHERE tenant = ? AND key_id = ? ORDER BY seq LIMIT 1) RETURNING cost`,
		owner.Tenant, owner.Key).Scan(&bytes)
	return bytes, found(err)
}
