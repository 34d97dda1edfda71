package storage

import "time"

// Key is an API key without its secret.
type Key struct {
	ID        string
	Tenant    string
	Subject   string
	Role      string
	SpeaksFor []string
	Hash      [32]byte
	CreatedAt time.Time
	RevokedAt time.Time // zero if the key is not revoked
}

// Keys reads and changes the API keys of all tenants.
type Keys interface {
	// Add stores a new key.
	Add(k Key) error
	// List returns all keys in the order of their creation.
	List() ([]Key, error)
	// Live reports whether the tenant has a key with that id that is not revoked.
	// It includes keys of the process, see [Options.OwnKey].
	Live(tenant, id string) (bool, error)
	// Revoked returns the number of revoked keys. It never decreases.
	Revoked() (int64, error)
	// HasAdmin reports whether a key with the role admin exists that is not revoked.
	HasAdmin() (bool, error)
	// Revoke revokes a key and returns it. It ends the unused approvals that the
	// key asked for or approved. It fails with ErrNotFound if there is no such key,
	// and with ErrConflict if the key was revoked before.
	Revoke(id string, at time.Time) (Key, error)
}
