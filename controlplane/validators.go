package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

// maxOwnValidators bounds what one subject may register of its own, so that it
// does not use up what the tenant may have.
const maxOwnValidators = 1000

// validators are the validators in force, by tenant. It is safe for concurrent use.
type validators struct {
	now   func() time.Time
	setUp func(*registry.Registry) error

	memory validatorMemory

	mu      sync.Mutex
	tenants map[string]*tenantValidators
}

// tenantValidators are the validators of one tenant. It is safe for concurrent use.
type tenantValidators struct {
	host *registry.Registry // the built-in validators, and what Config.Validators added

	mu   sync.RWMutex
	sets map[validatorSet]map[string]versionedValidator // by id
}

// validatorSet names the validators of one owner: of the whole tenant, of one
// subject, or of the time before validators had owners. There are no more subjects
// than keys name.
type validatorSet struct {
	scope storage.Scope
	owner string
}

type versionedValidator struct {
	validator crvgate.Validator[any]
	version   int64
}

// of finds the validators that a subject can use, by id.
func (v *validators) of(tenant, subject string) (find func(id string) crvgate.Validator[any], err error) {
	all, err := v.tenant(tenant)
	if err != nil {
		return nil, err
	}
	return func(id string) crvgate.Validator[any] { return all.find(subject, id) }, nil
}

// tenant are the validators of a tenant. They are made when they are first needed.
func (v *validators) tenant(name string) (*tenantValidators, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if all := v.tenants[name]; all != nil {
		return all, nil
	}
	host := &registry.Registry{Now: v.now}
	rules.Register(host)
	if v.setUp != nil {
		if err := v.setUp(host); err != nil {
			return nil, fmt.Errorf("controlplane: Config.Validators: %w", err)
		}
	}
	if v.tenants == nil {
		v.tenants = map[string]*tenantValidators{}
	}
	v.tenants[name] = &tenantValidators{host: host, sets: map[validatorSet]map[string]versionedValidator{}}
	return v.tenants[name], nil
}

// find is the validator with the id that a subject can use, or nil. What admins
// registered for the tenant comes first, then what the host has, then the subject's
// own, and last what is there from before validators had owners.
func (t *tenantValidators) find(subject, id string) crvgate.Validator[any] {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if found, ok := t.sets[validatorSet{scope: storage.ScopeTenant}][id]; ok {
		return found.validator
	}
	if t.host.Has(id) {
		return t.host.Validator(id)
	}
	if found, ok := t.sets[validatorSet{storage.ScopeSubject, subject}][id]; ok {
		return found.validator
	}
	return t.sets[validatorSet{scope: storage.ScopeFormer}][id].validator
}

// check says whether a configuration can be registered under the id. Nobody but an
// admin can use the id of a validator that the whole tenant has.
func (t *tenantValidators) check(ctx context.Context, scope storage.Scope, id string, config []byte) error {
	err := t.host.Check(ctx, id, config)
	if errors.Is(err, aureus.ErrConflict) || scope == storage.ScopeTenant {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, taken := t.sets[validatorSet{scope: storage.ScopeTenant}][id]; taken || t.host.Has(id) {
		return fmt.Errorf("%w: %q is registered for all and cannot be replaced by one of your own; choose another id", aureus.ErrConflict, id)
	}
	return err
}

// restore puts a stored validator in force, unless a newer version of it is.
func (v *validators) restore(stored storage.Validator) error {
	all, err := v.tenant(stored.Tenant)
	if err != nil {
		return err
	}
	if stored.Version < 1 {
		return fmt.Errorf("version %d of the validator %q: versions count from 1", stored.Version, stored.ID)
	}
	validator, err := all.host.Compile(stored.ID, []byte(stored.Config))
	if err != nil {
		return err
	}
	set := validatorSet{scope: stored.Scope}
	if stored.Scope == storage.ScopeSubject {
		set.owner = stored.Owner
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.sets[set] == nil {
		all.sets[set] = map[string]versionedValidator{}
	}
	if all.sets[set][stored.ID].version <= stored.Version {
		all.sets[set][stored.ID] = versionedValidator{validator, stored.Version}
	}
	return nil
}

// loadValidators puts in force what was registered before this start. One that
// no longer can be, because its host function is gone, say, is logged and left
// out: a gate that names it fails.
func (s *Server) loadValidators(ctx context.Context) error {
	s.validators.now, s.validators.setUp = s.config.Now, s.config.Validators
	if _, err := s.validators.of(s.config.Tenant, ""); err != nil { // the host's mistakes show now
		return err
	}
	var stored []storage.Validator
	err := s.db.View(ctx, func(t storage.Tx) (err error) {
		stored, err = t.Validators().ListAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("controlplane: reading the validators: %w", err)
	}
	for _, one := range stored {
		s.validators.memory.add(one)                               // also beyond the bounds: it was registered when there was room
		if _, err := s.validators.of(one.Tenant, ""); err != nil { // a mistake of the host's, which ends the start
			return err
		}
		if err := s.validators.restore(one); err != nil {
			s.log.ErrorContext(ctx, "a registered validator is not in force: gates that name it fail",
				slog.String("tenant", one.Tenant), slog.String("owner", one.Owner), slog.String("validator_id", one.ID), slog.Any("error", err))
		}
	}
	return nil
}

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
