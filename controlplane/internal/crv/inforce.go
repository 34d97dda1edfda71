package crv

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/crvgate/rules"
)

// maxOwnValidators limits the validators of one subject, so that it does not use up
// the limit of the tenant.
const maxOwnValidators = 1000

// inForce are the validators in force, by tenant. It is safe for concurrent use.
type inForce struct {
	now   func() time.Time
	setUp func(*registry.Registry) error // adds the host's own validators; may be nil

	memory memory

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
// subject, or those that were registered before validators had owners. Subjects come
// from keys, so their number is limited.
type validatorSet struct {
	scope storage.Scope
	owner string
}

type versionedValidator struct {
	validator crvgate.Validator[any]
	version   int64
}

// of finds the validators that a subject can use, by id.
func (v *inForce) of(tenant, subject string) (find func(id string) crvgate.Validator[any], err error) {
	all, err := v.tenant(tenant)
	if err != nil {
		return nil, err
	}
	return func(id string) crvgate.Validator[any] { return all.find(subject, id) }, nil
}

// tenant returns the validators of a tenant, and makes them at the first call.
func (v *inForce) tenant(name string) (*tenantValidators, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if all := v.tenants[name]; all != nil {
		return all, nil
	}
	host := &registry.Registry{Now: v.now}
	rules.Register(host)
	if v.setUp != nil {
		if err := v.setUp(host); err != nil {
			return nil, fmt.Errorf("Config.Validators: %w", err)
		}
	}
	if v.tenants == nil {
		v.tenants = map[string]*tenantValidators{}
	}
	v.tenants[name] = &tenantValidators{host: host, sets: map[validatorSet]map[string]versionedValidator{}}
	return v.tenants[name], nil
}

// find returns the validator with the id that a subject can use, or nil. Those that
// admins registered for the tenant come first, then those of the host, then the
// subject's own, and last those from before validators had owners.
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

// check returns why a configuration cannot be registered under the id, or nil. Only
// an admin can use the id of a validator that the whole tenant has.
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

// restore puts a stored validator in force, unless a newer version of it is already.
func (v *inForce) restore(stored storage.Validator) error {
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

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
