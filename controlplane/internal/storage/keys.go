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
	RevokedAt time.Time // zero while the key is good
}

// Keys are the API keys of all tenants.
type Keys interface {
	// Add stores a new key.
	Add(k Key) error
	// List gives all keys in the order of their creation.
	List() ([]Key, error)
	// Live reports whether there is a key with that id in the tenant that may
	// still act: one that has not been revoked, or one of the process, see
	// [Options.OwnKey].
	Live(tenant, id string) (bool, error)
	// Revoked is the number of keys that have been revoked. It only grows.
	Revoked() (int64, error)
	// HasAdmin reports whether there is a good key with the role admin.
	HasAdmin() (bool, error)
	// Revoke ends a key and gives it back. The approvals that it asked for or
	// approved and that have not been used end with it. ErrNotFound: there is no
	// such key; ErrConflict: it was revoked before.
	Revoke(id string, at time.Time) (Key, error)
}
