package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Everyone stands for all principals, as the only item of [Caller.SpeaksFor].
const Everyone = "*"

// Caller is the sender of a request, as its API key identifies it.
type Caller struct {
	KeyID     string
	Subject   string // the person or service that holds the key
	Tenant    string
	Role      Role
	SpeaksFor []string // the principals that the key may ask about besides its subject
}

// Actor returns the caller in the form in which it is stored.
func (c Caller) Actor() storage.Actor { return storage.Actor{KeyID: c.KeyID, Subject: c.Subject} }

// MaySpeakFor returns nil if the key may make requests about the principal, and the
// error response with status 403 otherwise.
func (c Caller) MaySpeakFor(principal string) error {
	if principal == c.Subject || slices.Contains(c.SpeaksFor, principal) || slices.Equal(c.SpeaksFor, []string{Everyone}) {
		return nil
	}
	return Problem(http.StatusForbidden, wire.CodeForbidden, "this key may not speak for the principal named in the request",
		WithRemediation("Use a key that speaks for that principal, or for everyone (*)."))
}

// MaySpeakForBoth is MaySpeakFor for the principal and, if onBehalfOf is not empty,
// also for onBehalfOf.
func (c Caller) MaySpeakForBoth(principal, onBehalfOf string) error {
	if err := c.MaySpeakFor(principal); err != nil || onBehalfOf == "" {
		return err
	}
	return c.MaySpeakFor(onBehalfOf)
}

// MaxSecret limits the length of an API key, in bytes.
const MaxSecret = 512

// DevKeyID is the key id of requests without a key in development mode.
const DevKeyID = "key_development"

// KeyStore reads API keys.
type KeyStore interface {
	// Key returns the key with that id, or storage.ErrNotFound.
	Key(ctx context.Context, id string) (storage.Key, error)
}

// AddKey makes the kernel accept the secret as the key of the caller. The key is kept
// in memory only, until the process ends.
func (k *Kernel) AddKey(secret string, c Caller) { k.keys.add(secret, c) }

// processKeys are the keys that are kept in memory only.
type processKeys struct {
	mu   sync.RWMutex
	keys []processKey
}

type processKey struct {
	hash [sha256.Size]byte
	Caller
}

func (p *processKeys) add(secret string, c Caller) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keys = append(p.keys, processKey{sha256.Sum256([]byte(secret)), c})
}

func (p *processKeys) find(hash [sha256.Size]byte) (found Caller, ok bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, key := range p.keys {
		if subtle.ConstantTimeCompare(key.hash[:], hash[:]) == 1 {
			found, ok = key.Caller, true
		}
	}
	return found, ok
}

// byID returns the caller of the key with that id.
func (p *processKeys) byID(id string) (Caller, bool) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, key := range p.keys {
		if key.KeyID == id {
			return key.Caller, true
		}
	}
	return Caller{}, false
}

// authenticate returns the caller whose key the request carries, or an error response
// if there is none or its role is below need. Failures are counted by the throttle.
func (k *Kernel) authenticate(r *http.Request, need Role) (Caller, error) {
	c, err := k.Identify(r)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok && e.status == http.StatusUnauthorized {
			err = k.throttle.failed(r, k.config.Now(), err)
		}
		return Caller{}, err
	}
	stateOf(r).keyID = c.KeyID
	if c.Role.AtLeast(need) {
		return c, nil
	}
	if c.KeyID == DevKeyID {
		return Caller{}, unauthorized("this needs the operator's key, also in development mode",
			"Send the key that the server printed when it started, or the one in AUREUS_OPERATOR_KEY.", "")
	}
	return Caller{}, roleTooWeak(c.Role, need)
}

// Identify returns the caller whose key the request carries, whatever its role.
func (k *Kernel) Identify(r *http.Request) (Caller, error) {
	secret, present := bearerToken(r.Header)
	c, err := k.LookUp(r.Context(), secret)
	switch {
	case err == nil:
		return c, nil
	case !errors.Is(err, storage.ErrNotFound):
		return Caller{}, err
	case k.config.Dev: // no key is required, so a wrong key is treated like none
		return Caller{KeyID: DevKeyID, Subject: "development", Tenant: k.config.Tenant, Role: Service, SpeaksFor: []string{Everyone}}, nil
	case !present:
		return Caller{}, unauthorized("this needs an API key", "Send the header Authorization: Bearer <key>.", "")
	}
	return Caller{}, KeyNotAccepted()
}

// KeyNotAccepted returns the error response for a key that is unknown or revoked.
func KeyNotAccepted() error {
	return unauthorized("the API key is not accepted", "Check that the key is complete and has not been revoked.", `, error="invalid_token"`)
}

func unauthorized(message, remediation, params string) error {
	return Problem(http.StatusUnauthorized, wire.CodeUnauthorized, message, WithRemediation(remediation),
		WithHeader("WWW-Authenticate", `Bearer realm="aureus"`+params))
}

// bearerToken reads the key from the Authorization header. present is true if there is
// such a header, even if it holds no key because its scheme is another one or because
// it is repeated.
func bearerToken(header http.Header) (secret string, present bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", len(values) > 0
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || len(secret) > MaxSecret {
		return "", true
	}
	return strings.TrimSpace(secret), true
}

// LookUp returns the caller whose key has the secret, or storage.ErrNotFound. Hashes are
// compared in constant time.
func (k *Kernel) LookUp(ctx context.Context, secret string) (Caller, error) {
	if secret == "" {
		return Caller{}, storage.ErrNotFound
	}
	hash := sha256.Sum256([]byte(secret))
	if c, ok := k.keys.find(hash); ok {
		return c, nil
	}
	id, _, ok := strings.Cut(secret, ".")
	if !ok || !strings.HasPrefix(id, "key_") {
		return Caller{}, storage.ErrNotFound
	}
	key, err := k.config.Keys.Key(ctx, id)
	if err != nil {
		return Caller{}, err
	}
	if subtle.ConstantTimeCompare(hash[:], key.Hash[:]) != 1 || !key.RevokedAt.IsZero() {
		return Caller{}, storage.ErrNotFound
	}
	return callerWith(key), nil
}

func callerWith(key storage.Key) Caller {
	return Caller{KeyID: key.ID, Subject: key.Subject, Tenant: key.Tenant, Role: Role(key.Role), SpeaksFor: key.SpeaksFor}
}

// CheckKey returns the error response if the key of the caller has been revoked since
// the request was authenticated. Every transaction that changes something for a caller
// calls it first.
func CheckKey(t storage.Tx, c Caller) error {
	live, err := t.Keys().Live(c.Tenant, c.KeyID)
	if err == nil && !live {
		err = KeyNotAccepted()
	}
	return err
}
