package controlplane

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/vocab"
)

// Everyone stands, in [Key.SpeaksFor], for all principals.
const Everyone = web.Everyone

// DefaultTenant is the tenant of keys that name none.
const DefaultTenant = "default"

// Key is an API key without its secret.
type Key struct {
	ID      string // "key_" and 26 characters; it is not secret and appears in logs and in the audit log
	Tenant  string // empty, in a new key, means [DefaultTenant]
	Subject string // the person or service that holds the key; required, at most 200 bytes
	Role    Role   // required

	// SpeaksFor names the principals that requests with the key may be about, besides
	// its own subject: at most 1000 names, or [Everyone]. A service that requests
	// decisions about its users needs one of them. Empty permits only the own subject.
	SpeaksFor []string

	CreatedAt time.Time
	RevokedAt time.Time // zero if the key is not revoked
}

// Keys manages the API keys of a control plane, of all tenants. Every change is written
// to the audit log of the key's tenant. It is safe for concurrent use.
type Keys struct {
	db    storage.Store
	now   func() time.Time
	owned bool // the store is closed by Close

	revoked func() // called after a key was revoked; may be nil
}

// OpenKeys opens the keys in the database file db, for a program that manages keys. A
// server may have the file open. A missing file is created. Call Close after use.
func OpenKeys(ctx context.Context, db string) (*Keys, error) {
	if db == "" {
		return nil, errNoDB
	}
	opened, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("controlplane: %w", err)
	}
	return &Keys{db: opened, now: time.Now, owned: true}, nil
}

// Close closes the file that [OpenKeys] opened. For the keys of a [Server] it does
// nothing.
func (k *Keys) Close() error {
	if k.owned {
		return k.db.Close()
	}
	return nil
}

// Add creates a key with the Tenant, Subject, Role and SpeaksFor of key. by is named in
// the audit log as the one who did it. The secret is what a client sends as its API
// key: it is returned only here, and the store keeps only its hash.
func (k *Keys) Add(ctx context.Context, by string, key Key) (_ Key, secret string, err error) {
	if err := validKey(&key); err != nil {
		return Key{}, "", fmt.Errorf("controlplane: %w", err)
	}
	made := newSecret()
	var added Key
	err = k.db.Update(ctx, func(t storage.Tx) (err error) {
		added, err = k.add(t, by, key, made)
		return err
	})
	if err != nil {
		return Key{}, "", fmt.Errorf("controlplane: adding a key: %w", err)
	}
	return added, made.text, nil
}

// First creates a key with the role admin, in the default tenant and speaking for
// everyone, if no tenant has an admin's key that is not revoked; made reports whether
// it did. Call it when the server starts, and show the secret once.
func (k *Keys) First(ctx context.Context) (key Key, secret string, made bool, err error) {
	fresh := newSecret()
	err = k.db.Update(ctx, func(t storage.Tx) error {
		made = false
		has, err := t.Keys().HasAdmin()
		if err != nil || has {
			return err
		}
		key, err = k.add(t, "aureus", Key{Tenant: DefaultTenant, Subject: "admin", Role: RoleAdmin, SpeaksFor: []string{Everyone}}, fresh)
		made = err == nil
		return err
	})
	if err != nil {
		return Key{}, "", false, fmt.Errorf("controlplane: creating the first key: %w", err)
	}
	if !made {
		return Key{}, "", false, nil
	}
	return key, fresh.text, true, nil
}

func (k *Keys) add(t storage.Tx, by string, key Key, secret secret) (Key, error) {
	key.ID, key.CreatedAt, key.RevokedAt = secret.id, k.now().UTC(), time.Time{}
	err := t.Keys().Add(storage.Key{
		ID: key.ID, Tenant: key.Tenant, Subject: key.Subject, Role: string(key.Role), SpeaksFor: key.SpeaksFor,
		Hash: secret.hash(), CreatedAt: key.CreatedAt,
	})
	if err != nil {
		return Key{}, err
	}
	return key, t.Audit().Append(key.Tenant, key.CreatedAt, keyEntry(vocab.AuditKeyAdded, by, key))
}

// List returns all keys, also revoked ones, in the order in which they were created.
func (k *Keys) List(ctx context.Context) ([]Key, error) {
	var keys []Key
	err := k.db.View(ctx, func(t storage.Tx) error {
		stored, err := t.Keys().List()
		keys = make([]Key, len(stored))
		for i, s := range stored {
			keys[i] = keyOf(s)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("controlplane: listing the keys: %w", err)
	}
	return keys, nil
}

// Revoke makes a key invalid at once; by is named in the audit log. It cannot be
// undone, and revoking a key again changes nothing. Workflows that run with the key are
// parked: the context of a running tool ends, and no further task, hook or compensation
// starts. If another process has revoked the key, the server parks them within a second.
// If there is no such key, the error matches [aureus.ErrNotFound].
func (k *Keys) Revoke(ctx context.Context, by, id string) error {
	err := k.db.Update(ctx, func(t storage.Tx) error {
		revoked, err := t.Keys().Revoke(id, k.now())
		switch {
		case errors.Is(err, storage.ErrConflict):
			return nil
		case errors.Is(err, storage.ErrNotFound):
			return aureus.ErrNotFound
		case err != nil:
			return err
		}
		return t.Audit().Append(revoked.Tenant, revoked.RevokedAt, keyEntry(vocab.AuditKeyRevoked, by, keyOf(revoked)))
	})
	if err != nil {
		return fmt.Errorf("controlplane: revoking the key %q: %w", id, err)
	}
	if k.revoked != nil {
		k.revoked()
	}
	return nil
}

func keyEntry(kind, by string, key Key) aureus.AuditRecord {
	return aureus.AuditRecord{Kind: kind, By: by, Details: map[string]any{
		"key_id": key.ID, "subject": key.Subject, "role": string(key.Role), "speaks_for": key.SpeaksFor,
	}}
}

func keyOf(s storage.Key) Key {
	return Key{
		ID: s.ID, Tenant: s.Tenant, Subject: s.Subject, Role: Role(s.Role), SpeaksFor: s.SpeaksFor,
		CreatedAt: s.CreatedAt, RevokedAt: s.RevokedAt,
	}
}

var tenantForm = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}$`)

const (
	maxName      = 200
	maxSpeaksFor = 1000
)

func validKey(k *Key) error {
	if k.Tenant == "" {
		k.Tenant = DefaultTenant
	}
	if !tenantForm.MatchString(k.Tenant) {
		return fmt.Errorf("a tenant must have 1 to 63 of the characters a-z, 0-9, - and _, not %.80q", k.Tenant)
	}
	if err := validName("subject", k.Subject); err != nil {
		return err
	}
	if _, err := ParseRole(string(k.Role)); err != nil {
		return errors.New("the role of a key must be service, operator or admin")
	}
	if len(k.SpeaksFor) > maxSpeaksFor {
		return fmt.Errorf("SpeaksFor may name at most %d principals; use %q for all", maxSpeaksFor, Everyone)
	}
	for _, name := range k.SpeaksFor {
		if err := validName("principal", name); err != nil {
			return err
		}
	}
	if slices.Contains(k.SpeaksFor, Everyone) {
		k.SpeaksFor = []string{Everyone}
	}
	return nil
}

func validName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the %s is empty", what)
	case len(name) > maxName:
		return fmt.Errorf("the %s is longer than %d bytes", what, maxName)
	case !utf8.ValidString(name), strings.ContainsFunc(name, nametext.Unseen):
		return fmt.Errorf("the %s %+q has a control character, an invisible character or a space other than U+0020, or is not valid UTF-8", what, name)
	case strings.TrimSpace(name) != name: // "olga " looks like "olga" but is another subject
		return fmt.Errorf("the %s %q begins or ends with a space", what, name)
	}
	return nil
}

// secret is the secret of a new key. text is the key's id, a dot and 256 random bits.
type secret struct{ id, text string }

var secretEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func newSecret() secret {
	var id [16]byte
	var raw [32]byte
	_, _ = rand.Read(id[:]) // crypto/rand never fails
	_, _ = rand.Read(raw[:])
	name := "key_" + idtext.Encode(id)
	return secret{id: name, text: name + "." + secretEncoding.EncodeToString(raw[:])}
}

// hash returns what the store keeps of the secret. A password would need a slow hash;
// for 256 random bits, SHA-256 is enough, because they cannot be guessed.
func (s secret) hash() [32]byte { return sha256.Sum256([]byte(s.text)) }
