package crv

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/vocab"
	"github.com/farmountain/aureus-go/internal/wire"
)

// RegisterRequest is the body of POST /api/v1/crv/validators. The text of the
// configuration is kept as it came, because the order of its members counts.
type RegisterRequest = wire.RegisterRequest[jsontext.Value]

// scopeOf says for whom the caller registers: an admin for the tenant, every other
// role for its own subject.
func scopeOf(c web.Caller) (storage.Scope, string) {
	if c.Role.AtLeast(web.Admin) {
		return storage.ScopeTenant, ""
	}
	return storage.ScopeSubject, c.Subject
}

// register stores a validator and puts it in force, for the caller's subject or,
// where the caller is an admin, for the whole tenant. A validator of the tenant takes
// precedence over one that a subject has under the same id, and no subject can
// replace it.
func (s *Service) register(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body RegisterRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	if strings.Contains(body.ValidatorID, "/") || body.ValidatorID == "." || body.ValidatorID == ".." {
		return web.InvalidBody("/validator_id", "must not hold a slash and be neither . nor .., since it is part of paths")
	}
	scope, owner := scopeOf(c)
	all, err := s.inForce.tenant(c.Tenant)
	if err != nil {
		return err
	}
	if err := all.check(r.Context(), scope, body.ValidatorID, body.Config); err != nil {
		return registrationError(err)
	}
	stored := storage.Validator{
		Tenant: c.Tenant, Scope: scope, Owner: owner, ID: body.ValidatorID, Config: string(body.Config), RegisteredBy: c.Subject, KeyID: c.KeyID, RegisteredAt: s.Now(),
	}
	undo, err := s.inForce.memory.take(stored, s.MaxMemory)
	if err != nil {
		return err
	}
	err = s.Store.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		if err := hasRoom(t, stored); err != nil {
			return err
		}
		if stored.Version, err = t.Validators().Put(stored); err != nil {
			return err
		}
		return t.Audit().Append(c.Tenant, stored.RegisteredAt, aureus.AuditRecord{
			Kind: vocab.AuditValidator, By: c.Subject, KeyID: c.KeyID,
			Details: map[string]any{"validator_id": stored.ID, "scope": string(scope), "version": stored.Version, "config_sha256": hashText(stored.Config)},
		})
	})
	if err != nil {
		undo()
		return err
	}
	if err := s.inForce.restore(stored); err != nil {
		return fmt.Errorf("putting the validator in force: %w", err)
	}
	w.Header().Set("ETag", etag(stored))
	web.WriteJSON(w, http.StatusOK, aureus.ValidatorRegistration{
		ValidatorID: stored.ID, Registered: true, Replaced: stored.Version > 1, Version: int(stored.Version), Scope: string(scope),
	})
	return nil
}

// hasRoom refuses a registration above the limits, and one under the id of a
// validator of the tenant that was registered after the first check.
func hasRoom(t storage.Tx, v storage.Validator) error {
	if v.Scope != storage.ScopeTenant {
		switch _, err := t.Validators().Scoped(v.Tenant, storage.ScopeTenant, "", v.ID); {
		case err == nil:
			return web.Problem(http.StatusConflict, wire.CodeConflict, fmt.Sprintf("the validator %q is registered for the whole tenant and cannot be replaced by one of your own", v.ID),
				web.WithRemediation("Choose another id, or ask an admin."))
		case !errors.Is(err, storage.ErrNotFound):
			return err
		}
	}
	if _, err := t.Validators().Scoped(v.Tenant, v.Scope, v.Owner, v.ID); !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	all, owned, err := t.Validators().Count(v.Tenant, v.Owner)
	switch {
	case err != nil:
		return err
	case all >= registry.MaxValidators:
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the tenant has %d validators already", all))
	case v.Scope == storage.ScopeSubject && owned >= maxOwnValidators:
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the subject has %d validators already", owned))
	}
	return nil
}

// registrationError is the answer for a configuration that cannot be registered.
// Other errors are returned as they are.
func registrationError(err error) error {
	if config, ok := errors.AsType[*registry.ConfigError](err); ok {
		problems := make([]registry.Problem, len(config.Problems))
		for i, p := range config.Problems {
			problems[i] = p
			problems[i].Pointer = "/config" + p.Pointer
		}
		return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, config.Error(), web.WithDetails(problems),
			web.WithRemediation("Correct the configuration; the version in force, if there is one, has not changed."))
	}
	switch {
	case errors.Is(err, aureus.ErrConflict):
		return web.Problem(http.StatusConflict, wire.CodeConflict, err.Error())
	case errors.Is(err, aureus.ErrInvalid):
		return web.InvalidBody("/validator_id", err.Error())
	}
	return err
}
