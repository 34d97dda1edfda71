package storage

import (
	"errors"
	"time"
)

// keyRules implements [Keys].
type keyRules struct {
	KeyRows

	ownKey    func(tenant, id string) bool
	approvals *approvalRules
}

// Live implements [Keys].
func (k *keyRules) Live(tenant, id string) (bool, error) {
	in, revoked, err := k.State(id)
	if errors.Is(err, ErrNotFound) {
		return k.ownKey == nil || k.ownKey(tenant, id), nil
	}
	return err == nil && in == tenant && !revoked, err
}

// Revoke implements [Keys].
func (k *keyRules) Revoke(id string, at time.Time) (Key, error) {
	key, err := k.Get(id)
	switch {
	case err != nil:
		return Key{}, err
	case !key.RevokedAt.IsZero():
		return key, ErrConflict
	}
	if err := k.SetRevoked(id, at); err != nil {
		return key, err
	}
	key.RevokedAt = at
	return key, k.approvals.expireOfKey(key.Tenant, at, id)
}
