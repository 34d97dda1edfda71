package storage

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// ErrNoSigningKey means that the file with the signing key of a database is missing.
var ErrNoSigningKey = errors.New("the file with the signing key of this database is missing")

// SigningKey is a public key with which the installation signs, or signed.
type SigningKey struct {
	Number       int64 // 1 for the first one
	Public       []byte
	Announcement string // see seal.Announcement
}

// Installation reads and writes what identifies the installation that a database belongs
// to.
type Installation interface {
	// LogID returns the id under which the installation signs. A restored copy of the
	// database has the same one.
	LogID() (string, error)
	// SigningKeys returns the public keys, the first one first. The last one signs now.
	SigningKeys() ([]SigningKey, error)
	// AddSigningKey stores the key that signs from now on. It fails if a key with the
	// same number or the same public key is stored.
	AddSigningKey(k SigningKey) error
	// KeyFile returns the absolute path of the key file, or an empty text if it is
	// beside the database.
	KeyFile() (string, error)
	// SetKeyFile stores the path that KeyFile returns.
	SetKeyFile(path string) error
}

// OpenSigningKey returns the signing key of the store. Its file is the one that the
// argument file names; if that is empty, the one that was named last, and otherwise the
// file beside. A missing file is created only if the store has had no key yet: afterwards
// a new key would make everything unverifiable that the old one has signed, so that the
// error is ErrNoSigningKey, or seal.ErrOtherKey for a file with another key. Call it
// before anything else writes.
func OpenSigningKey(ctx context.Context, s Transactions, beside, file string) (*seal.Key, error) {
	if file != "" {
		absolute, err := filepath.Abs(file)
		if err != nil {
			return nil, err
		}
		file = absolute
	}
	var named string
	var keys []SigningKey
	err := s.View(ctx, func(t Tx) (err error) {
		if named, err = t.Installation().KeyFile(); err != nil {
			return err
		}
		keys, err = t.Installation().SigningKeys()
		return err
	})
	if err != nil {
		return nil, err
	}
	path := beside
	if file != "" {
		path = file
	} else if named != "" {
		path = named
	}
	ring, err := loadRing(path, len(keys) == 0)
	if err != nil {
		return nil, err
	}
	public := ring.Newest()
	if len(keys) > 0 {
		public = keys[len(keys)-1].Public
	}
	key, err := ring.Use(public)
	if err != nil {
		return nil, err
	}
	elsewhere := "" // what KeyFile returns from now on
	if path != beside {
		elsewhere = path
	}
	if len(keys) > 0 && elsewhere == named {
		return key, nil
	}
	err = s.Update(ctx, func(t Tx) error {
		if len(keys) == 0 {
			if err := addFirstKey(t.Installation(), key); err != nil {
				return err
			}
		}
		return t.Installation().SetKeyFile(elsewhere)
	})
	if err != nil {
		return nil, err
	}
	return key, nil
}

// RotateSigningKey makes a new signing key, which signs from now on, and returns its
// public key. The store must not be open elsewhere, and be opened again afterwards,
// because an open store signs with the key that it was opened with. beside is as in
// [OpenSigningKey].
//
// The new key is put before the old one in the key file first, and then, in one
// transaction, announced by both keys and in the audit log of each tenant. If the process
// ends between the two, the old key still signs.
func RotateSigningKey(ctx context.Context, s Store, beside string, by Actor) (public ed25519.PublicKey, err error) {
	path, old := beside, s.SigningKey()
	err = s.View(ctx, func(t Tx) error {
		named, err := t.Installation().KeyFile()
		if named != "" {
			path = named
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	ring, err := seal.Load(path)
	if err != nil {
		return nil, err
	}
	if public, err = ring.Renew(old.Public()); err != nil {
		return nil, err
	}
	key, err := ring.Use(public)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return public, s.Update(ctx, func(t Tx) error { return announceKey(t, key, old, now, by) })
}

// announceKey stores the key that replaces old.
func announceKey(t Tx, key, old *seal.Key, now time.Time, by Actor) error {
	id, err := t.Installation().LogID()
	if err != nil {
		return err
	}
	keys, err := t.Installation().SigningKeys()
	if err != nil {
		return err
	}
	if len(keys) == 0 || !old.Public().Equal(ed25519.PublicKey(keys[len(keys)-1].Public)) {
		return fmt.Errorf("the signing key was replaced meanwhile: %w", ErrConflict)
	}
	number := int64(len(keys)) + 1
	signed, err := key.Announce(seal.Announcement{LogID: id, Number: number, Key: key.Public(), Since: now}, old)
	if err != nil {
		return err
	}
	if err := t.Installation().AddSigningKey(SigningKey{Number: number, Public: key.Public(), Announcement: signed}); err != nil {
		return err
	}
	for after := ""; ; {
		tenants, err := t.Trees().Tenants(after, tenantsPage)
		if err != nil || len(tenants) == 0 {
			return err
		}
		for _, tenant := range tenants {
			entry := aureus.AuditRecord{
				Kind: vocab.AuditSigningKey, By: by.Subject, KeyID: by.KeyID,
				Details: map[string]any{"number": number, "public_key": seal.PublicText(key.Public()), "announcement": signed},
			}
			if err := t.Audit().Append(tenant, now, entry); err != nil {
				return err
			}
		}
		after = tenants[len(tenants)-1]
	}
}

// tenantsPage is how many tenants are read at a time.
const tenantsPage = 100

// loadRing loads the key file, or creates it if it is missing and create is true.
func loadRing(file string, create bool) (*seal.Ring, error) {
	ring, err := seal.Load(file)
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return ring, err
	case create:
		return seal.Create(file)
	}
	return nil, fmt.Errorf("%w: %s does not exist; put it back from its copy, or name the file with --signing-key (Config.SigningKeyFile). No new key is made: it could not sign for what the old one has signed", ErrNoSigningKey, file)
}

func addFirstKey(t Installation, key *seal.Key) error {
	id, err := t.LogID()
	if err != nil {
		return err
	}
	signed, err := key.Announce(seal.Announcement{LogID: id, Number: 1, Key: key.Public(), Since: time.Now()}, nil)
	if err != nil {
		return err
	}
	return t.AddSigningKey(SigningKey{Number: 1, Public: key.Public(), Announcement: signed})
}
