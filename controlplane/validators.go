package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

// maxOwnValidators bounds what one subject may register of its own, so that it
// does not use up what the tenant may have.
const maxOwnValidators = 1000

// validators are the validators in force: those of each tenant in a registry,
// and those of each subject that has any in one that shares the tenant's. There
// are no more subjects than keys name.
type validators struct {
	now   func() time.Time
	setUp func(*crvgate.Registry) error

	memory validatorMemory

	mu      sync.Mutex
	tenants map[string]*tenantValidators
}

type tenantValidators struct {
	shared, former *crvgate.Registry
	others         *crvgate.Registry // of those who have none of their own
	own            map[string]*crvgate.Registry
}

// of is what the subject can use: what an admin registered, its own, and what is
// there from before validators had owners, in this order.
func (v *validators) of(tenant, subject string) (*crvgate.Registry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all, err := v.tenant(tenant)
	if err != nil {
		return nil, err
	}
	if registry := all.own[subject]; registry != nil {
		return registry, nil
	}
	return all.others, nil
}

// registry is the one that a validator of that scope and owner is put into.
func (v *validators) registry(tenant string, scope storage.Scope, owner string) (*crvgate.Registry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	all, err := v.tenant(tenant)
	switch {
	case err != nil:
		return nil, err
	case scope == storage.ScopeTenant:
		return all.shared, nil
	case scope == storage.ScopeFormer:
		return all.former, nil
	}
	registry := all.own[owner]
	if registry == nil {
		registry = &crvgate.Registry{Now: v.now, Shared: all.shared, Fallback: all.former}
		all.own[owner] = registry
	}
	return registry, nil
}

// tenant are the registries of a tenant. The caller holds mu.
func (v *validators) tenant(name string) (*tenantValidators, error) {
	if all := v.tenants[name]; all != nil {
		return all, nil
	}
	shared := &crvgate.Registry{Now: v.now}
	rules.Register(shared)
	if v.setUp != nil {
		if err := v.setUp(shared); err != nil {
			return nil, fmt.Errorf("controlplane: Config.Validators: %w", err)
		}
	}
	all := &tenantValidators{shared: shared, former: &crvgate.Registry{Now: v.now, Shared: shared}, own: map[string]*crvgate.Registry{}}
	all.others = &crvgate.Registry{Now: v.now, Shared: shared, Fallback: all.former}
	if v.tenants == nil {
		v.tenants = map[string]*tenantValidators{}
	}
	v.tenants[name] = all
	return all, nil
}

// restore puts a stored validator in force, whoever waits for it.
func (v *validators) restore(ctx context.Context, stored storage.Validator) error {
	registry, err := v.registry(stored.Tenant, stored.Scope, stored.Owner)
	if err != nil {
		return err
	}
	return registry.Restore(context.WithoutCancel(ctx), stored.ID, int(stored.Version), []byte(stored.Config))
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
		if err := s.validators.restore(ctx, one); err != nil {
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
