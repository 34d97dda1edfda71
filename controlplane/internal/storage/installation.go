package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/seal"
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
