package sqlite

import (
	"database/sql"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// LogID implements [storage.Installation].
func (t installation) LogID() (id string, err error) {
	err = t.row(`SELECT log_id FROM installation`).Scan(&id)
	return id, err
}

// KeyFile implements [storage.Installation].
func (t installation) KeyFile() (path string, err error) {
	err = t.row(`SELECT key_file FROM installation`).Scan(&path)
	return path, err
}

// SetKeyFile implements [storage.Installation].
func (t installation) SetKeyFile(path string) error {
	_, err := t.exec(`UPDATE installation SET key_file = ?`, path)
	return err
}

// SigningKeys implements [storage.Installation].
func (t installation) SigningKeys() (keys []storage.SigningKey, err error) {
	err = t.each(func(rows *sql.Rows) error {
		var k storage.SigningKey
		err := rows.Scan(&k.Number, &k.Public, &k.Announcement)
		keys = append(keys, k)
		return err
	}, `SELECT number, public_key, announcement FROM installation_keys ORDER BY number`)
	return keys, err
}

// AddSigningKey implements [storage.Installation].
func (t installation) AddSigningKey(k storage.SigningKey) error {
	_, err := t.exec(`INSERT INTO installation_keys (number, public_key, announcement) VALUES (?,?,?)`, k.Number, k.Public, k.Announcement)
	return err
}
