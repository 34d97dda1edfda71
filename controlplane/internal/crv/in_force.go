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

// maxSubjectValidators limits the validators of one subject, so that no subject uses up
// the limit of the tenant.
const maxSubjectValidators = 1000

// inForce holds the compiled validators of all tenants. It is safe for concurrent use.
type inForce struct {
	now   func() time.Time
	setUp func(*registry.Registry) error // adds the validators of Config.Validators; may be nil

	memory memory

	mu      sync.Mutex
	tenants map[string]*tenantValidators
}

// tenantValidators holds the validators of one tenant. It is safe for concurrent use.
type tenantValidators struct {
	host *registry.Registry // the built-in validators and those of Config.Validators

	mu   sync.RWMutex
	sets map[validatorSet]map[string]versionedValidator // by id
}

// validatorSet identifies the validators of one owner: of the whole tenant, of one
// subject, or those registered by older versions, without an owner. Subjects come
// from keys, so the number of sets is limited.
type validatorSet struct {
	scope storage.Scope
	owner string
}

type versionedValidator struct {
	validator crvgate.Validator[any]
	version   int64
}

// of returns a function that finds a validator of the subject by its id; see
// tenantValidators.find.
func (v *inForce) of(tenant, subject string) (find func(id string) crvgate.Validator[any], err error) {
	all, err := v.tenant(tenant)
	if err != nil {
		return nil, err
	}
	return func(id string) crvgate.Validator[any] { return all.find(subject, id) }, nil
}

// tenant returns the validators of a tenant. The first call for a tenant sets them up.
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

// find returns the validator that the id stands for in gates of the subject, or nil.
// Validators that admins registered for the tenant come first, then those of the
// host, those of the subject, and last those without an owner.
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

// check returns an error if the configuration cannot be registered under the id. Only
// an admin may replace a validator that the whole tenant uses: for others the error
// matches aureus.ErrConflict.
func (t *tenantValidators) check(ctx context.Context, scope storage.Scope, id string, config []byte) error {
	err := t.host.Check(ctx, id, config)
	if errors.Is(err, aureus.ErrConflict) || scope == storage.ScopeTenant {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if _, taken := t.sets[validatorSet{scope: storage.ScopeTenant}][id]; taken || t.host.Has(id) {
		return fmt.Errorf("%w: %q is registered for the whole tenant, and only an admin may replace it; choose another id", aureus.ErrConflict, id)
	}
	return err
}

// restore compiles a stored validator and puts it in force, unless a newer version of
// it already is.
func (v *inForce) restore(stored storage.Validator) error {
	all, err := v.tenant(stored.Tenant)
	if err != nil {
		return err
	}
	if stored.Version < 1 {
		return fmt.Errorf("version %d of the validator %q: versions start at 1", stored.Version, stored.ID)
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

// hashText returns the SHA-256 of the text, in hex.
func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
