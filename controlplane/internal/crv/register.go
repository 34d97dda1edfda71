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

// RegisterRequest is the body of POST /api/v1/crv/validators. The configuration keeps
// its text, because the order of its members matters.
type RegisterRequest = wire.RegisterRequest[jsontext.Value]

// scopeOf returns the scope and the owner of validators that the caller registers: an
// admin registers them for the tenant, every other role for its own subject.
func scopeOf(c web.Caller) (storage.Scope, string) {
	if c.Role.AtLeast(web.Admin) {
		return storage.ScopeTenant, ""
	}
	return storage.ScopeSubject, c.Subject
}

// register answers POST validators: it stores a validator and puts it in force, for
// the whole tenant if the caller is an admin, otherwise for the caller's subject. A
// validator of the tenant takes precedence over one of a subject with the same id.
func (s *Service) register(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var body RegisterRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	if strings.Contains(body.ValidatorID, "/") || body.ValidatorID == "." || body.ValidatorID == ".." {
		return web.InvalidBody("/validator_id", "must not contain a slash and must not be . or .., because it is part of URL paths")
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
	undo, err := s.inForce.memory.reserve(stored, s.MaxMemory)
	if err != nil {
		return err
	}
	err = s.Store.Update(r.Context(), func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		if err := checkRoom(t, stored); err != nil {
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

// checkRoom refuses a registration beyond the limits on the number of validators. It
// also checks again, in the transaction, that the tenant has no validator with the id.
func checkRoom(t storage.Tx, v storage.Validator) error {
	if v.Scope != storage.ScopeTenant {
		switch _, err := t.Validators().Scoped(v.Tenant, storage.ScopeTenant, "", v.ID); {
		case err == nil:
			return web.Problem(http.StatusConflict, wire.CodeConflict, fmt.Sprintf("the validator %q is registered for the whole tenant, and only an admin may replace it", v.ID),
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
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the tenant already has %d validators", all))
	case v.Scope == storage.ScopeSubject && owned >= maxSubjectValidators:
		return web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the subject already has %d validators", owned))
	}
	return nil
}

// registrationError converts the error of tenantValidators.check into the error of the
// response. Other errors are returned unchanged.
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
