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

// Everyone stands, in [Key.SpeaksFor], for every principal.
const Everyone = web.Everyone

// DefaultTenant is the tenant where none is named.
const DefaultTenant = "default"

// Key is an API key without its secret.
type Key struct {
	ID      string // "key_" and 26 characters; it is no secret and stands in logs and in the audit log
	Tenant  string // the tenant it works in; empty for a new key is [DefaultTenant]
	Subject string // who holds it: a person or a service; required, at most 200 bytes
	Role    Role   // required

	// SpeaksFor names the principals that the key may ask about besides its own
	// subject. [Everyone] alone stands for all of them: a service that decides
	// what its callers may do needs that or a list. Empty: its own subject only.
	SpeaksFor []string

	CreatedAt time.Time
	RevokedAt time.Time // zero while the key is good
}

// Keys manages the API keys of a store. Every change is written to the audit
// log of the key's tenant. It is safe for concurrent use.
type Keys struct {
	db    storage.Store
	now   func() time.Time
	owned bool // Close closes the store

	revoked func() // not nil: called when a key has been revoked
}

// OpenKeys opens the keys in the file db, whether or not a control plane has it
// open, for a program that manages them. The file is created if there is none.
// Close it after use.
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

// Close closes what [OpenKeys] opened. The keys of a [Server] are closed with it.
func (k *Keys) Close() error {
	if k.owned {
		return k.db.Close()
	}
	return nil
}

// Add makes a key from the tenant, the subject, the role and SpeaksFor of the
// given one, on behalf of by, who is named in the audit log. The secret is what
// a client sends as its API key: it is returned this once and kept nowhere.
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

// First makes a key with the role admin, in the default tenant and speaking for
// everyone, if no tenant has one that is not revoked, and reports whether it did:
// at the first start, and after the last admin's key was revoked. Call it at the
// start and show the secret once.
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
		return Key{}, "", false, fmt.Errorf("controlplane: making the first key: %w", err)
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

// List is all keys, revoked ones too, in the order of their making.
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

// Revoke ends a key at once, on behalf of by. It cannot be undone; revoking a
// key again changes nothing. Workflows that run with the key are parked: the tool
// under way is told to end, and nothing else of them runs, undoing included. A
// server that has the file open does so within a second, also where another
// process revoked the key. The error matches [aureus.ErrNotFound] where there
// is no such key.
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
		return fmt.Errorf("a tenant is 1 to 63 of a-z, 0-9, - and _, not %.80q", k.Tenant)
	}
	if err := validName("subject", k.Subject); err != nil {
		return err
	}
	if _, err := ParseRole(string(k.Role)); err != nil {
		return errors.New("a key needs a role: service, operator or admin")
	}
	if len(k.SpeaksFor) > maxSpeaksFor {
		return fmt.Errorf("a key speaks for at most %d principals by name; use %q for all", maxSpeaksFor, Everyone)
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
		return fmt.Errorf("the %s %+q has a control character, one that cannot be seen, or a space other than the plain one, or is no UTF-8", what, name)
	case strings.TrimSpace(name) != name: // "olga " looks like olga, and is someone else
		return fmt.Errorf("the %s %q begins or ends with a space", what, name)
	}
	return nil
}

// secret is a new key's whole text: its id, a dot, and 256 random bits.
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

// hash is what the store keeps. A plain SHA-256 is enough, where a password
// would need a slow hash: nobody can guess 256 random bits, however fast.
func (s secret) hash() [32]byte { return sha256.Sum256([]byte(s.text)) }
