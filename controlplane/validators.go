package controlplane

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/store"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

// validators are the validators in force: those of each tenant in a registry of
// its own.
type validators struct {
	now   func() time.Time
	setUp func(*crvgate.Registry) error

	mu       sync.Mutex
	byTenant map[string]*crvgate.Registry
}

// of is the registry of a tenant.
func (v *validators) of(tenant string) (*crvgate.Registry, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if registry := v.byTenant[tenant]; registry != nil {
		return registry, nil
	}
	registry := &crvgate.Registry{Now: v.now}
	rules.Register(registry)
	if v.setUp != nil {
		if err := v.setUp(registry); err != nil {
			return nil, fmt.Errorf("controlplane: Config.Validators: %w", err)
		}
	}
	if v.byTenant == nil {
		v.byTenant = map[string]*crvgate.Registry{}
	}
	v.byTenant[tenant] = registry
	return registry, nil
}

// restore puts a stored validator in force, whoever waits for it.
func (v *validators) restore(ctx context.Context, registry *crvgate.Registry, stored store.Validator) error {
	return registry.Restore(context.WithoutCancel(ctx), stored.ID, int(stored.Version), []byte(stored.Config))
}

// loadValidators puts in force what was registered before this start. One that
// no longer can be, because its host function is gone, say, is logged and left
// out: a gate that names it fails (SPEC 4.4).
func (s *Server) loadValidators(ctx context.Context) error {
	s.validators.now, s.validators.setUp = s.config.Now, s.config.Validators
	if _, err := s.validators.of(s.config.Tenant); err != nil { // the host's mistakes show now
		return err
	}
	stored, err := s.db.AllValidators(ctx)
	if err != nil {
		return fmt.Errorf("controlplane: reading the validators: %w", err)
	}
	for _, one := range stored {
		registry, err := s.validators.of(one.Tenant)
		if err != nil {
			return err
		}
		if err := s.validators.restore(ctx, registry, one); err != nil {
			s.log.ErrorContext(ctx, "a registered validator is not in force: gates that name it fail",
				slog.String("tenant", one.Tenant), slog.String("validator_id", one.ID), slog.Any("error", err))
		}
	}
	return nil
}

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
