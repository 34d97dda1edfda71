package controlplane

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/wire"
)

// caller is whose key a request came with.
type caller struct {
	keyID     string
	subject   string
	tenant    string
	role      Role
	speaksFor []string
}

func (c caller) actor() storage.Actor { return storage.Actor{KeyID: c.keyID, Subject: c.subject} }

// maySpeakFor refuses questions about principals that the key is not for.
func (c caller) maySpeakFor(principal string) error {
	if principal == c.subject || slices.Contains(c.speaksFor, principal) || slices.Equal(c.speaksFor, []string{Everyone}) {
		return nil
	}
	return problem(http.StatusForbidden, wire.CodeForbidden, "this key may not speak for the principal named in the request",
		withRemediation("Use a key that speaks for that principal, or for everyone (*)."))
}

// maySpeakForBoth is maySpeakFor for a principal and for the one that it acts
// for, if there is one: who may say what one does may not say for whom.
func (c caller) maySpeakForBoth(principal, onBehalfOf string) error {
	if err := c.maySpeakFor(principal); err != nil || onBehalfOf == "" {
		return err
	}
	return c.maySpeakFor(onBehalfOf)
}

// memoryKey is a key that ends with the process: those of the clients in the
// process, and the operator's of development mode.
type memoryKey struct {
	hash [32]byte
	caller
}

const maxSecret = 512

// authenticate finds whose key the request carries and whether its role is
// enough.
func (s *Server) authenticate(r *http.Request, need Role) (caller, error) {
	c, err := s.identify(r)
	if err != nil {
		if e, ok := errors.AsType[*apiError](err); ok && e.status == http.StatusUnauthorized {
			err = s.throttle.failed(r, s.config.Now(), err)
		}
		return caller{}, err
	}
	infoOf(r).keyID = c.keyID
	if c.role.atLeast(need) {
		return c, nil
	}
	if c.keyID == devCaller.keyID {
		return caller{}, unauthorized("this needs the operator's key, in development mode too",
			"Send the key that the server printed at its start, or that of AUREUS_OPERATOR_KEY.", "")
	}
	return caller{}, problem(http.StatusForbidden, wire.CodeForbidden, "the role "+string(c.role)+" is too small: this needs "+string(need))
}

func (s *Server) identify(r *http.Request) (caller, error) {
	secret, present := bearer(r.Header)
	c, err := s.lookUp(r.Context(), secret)
	switch {
	case err == nil:
		return c, nil
	case !errors.Is(err, storage.ErrNotFound):
		return caller{}, err
	case s.config.Dev: // it asks no key, so it asks no right one either
		c := devCaller
		c.tenant = s.config.Tenant
		return c, nil
	case !present:
		return caller{}, unauthorized("this needs an API key", "Send the header Authorization: Bearer <key>.", "")
	}
	return caller{}, errKeyNotAccepted()
}

func errKeyNotAccepted() error {
	return unauthorized("the API key is not accepted", "Is it complete, and has it not been revoked?", `, error="invalid_token"`)
}

// devCaller is who asks without a key in development mode.
var devCaller = caller{keyID: "key_development", subject: "development", role: RoleService, speaksFor: []string{Everyone}}

func unauthorized(message, remediation, params string) error {
	return problem(http.StatusUnauthorized, wire.CodeUnauthorized, message, withRemediation(remediation),
		withHeader("WWW-Authenticate", `Bearer realm="aureus"`+params))
}

// bearer takes the key out of the Authorization header. A header of another
// scheme, and more than one header, are no key.
func bearer(header http.Header) (secret string, present bool) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return "", len(values) > 0
	}
	scheme, secret, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || len(secret) > maxSecret {
		return "", true
	}
	return strings.TrimSpace(secret), true
}

// lookUp finds the key of a secret, or storage.ErrNotFound. Hashes are compared in
// constant time, though all that timing could tell is about a hash.
func (s *Server) lookUp(ctx context.Context, secret string) (caller, error) {
	if secret == "" {
		return caller{}, storage.ErrNotFound
	}
	hash := sha256.Sum256([]byte(secret))
	if c, ok := s.memoryKeys.find(hash); ok {
		return c, nil
	}
	id, _, ok := strings.Cut(secret, ".")
	if !ok || !strings.HasPrefix(id, "key_") {
		return caller{}, storage.ErrNotFound
	}
	key, err := s.db.Key(ctx, id)
	if err != nil {
		return caller{}, err
	}
	if subtle.ConstantTimeCompare(hash[:], key.Hash[:]) != 1 || !key.RevokedAt.IsZero() {
		return caller{}, storage.ErrNotFound
	}
	return caller{keyID: key.ID, subject: key.Subject, tenant: key.Tenant, role: Role(key.Role), speaksFor: key.SpeaksFor}, nil
}
