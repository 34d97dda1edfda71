package rules

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/guard/policy"
)

// The limits of what is kept in memory. What is beyond them is read from the store and
// compiled again when it is needed.
const (
	maxTenants    = 1000
	defaultMemory = 512 << 20
)

// Policies keeps the policies of the tenants in memory, compiled. Store must be set before
// the first call; then it is safe for concurrent use.
type Policies struct {
	Store storage.Transactions

	// Keys are the keys of which one must have signed a bundle. Without keys, bundles need
	// no signature.
	Keys []ed25519.PublicKey

	// MaxMemory is how many bytes the compiled bundles of all tenants may take, and how many
	// one that is put in force may take; 0 means 512 MiB. A larger one that is stored already
	// is used nevertheless.
	MaxMemory int64

	mu      sync.Mutex
	tenants map[string]*entry
	memory  int64 // bytes of all compiled bundles in tenants
}

// Limit returns how many bytes of memory a bundle may take; see [policy.Bundle.MemorySize].
func (p *Policies) Limit() int64 { return cmp.Or(p.MaxMemory, defaultMemory) }

// entry is the policy of a tenant, which the first caller reads and others wait for.
type entry struct {
	mu     sync.Mutex
	loaded *loaded // nil if it has not been read yet
	at     int64   // the value of changes when it was read

	changes  atomic.Int64             // how often the stored policy may have changed
	compiled atomic.Pointer[compiled] // the bundle that was compiled last; nil if there is none
	memory   int64                    // its part of Policies.memory, guarded by Policies.mu
}

// compiled is a compiled bundle, so that it is not compiled again for each new stop: a
// large one takes seconds.
type compiled struct {
	bundle          *policy.Bundle
	text, signature []byte
}

// is reports whether it is the stored bundle.
func (c *compiled) is(stored *storage.Bundle) bool {
	return c != nil && bytes.Equal(c.text, stored.Text) && bytes.Equal(c.signature, stored.Signature)
}

// loaded is the policy of a tenant at one revision.
type loaded struct {
	revision int64
	stops    []storage.Stop
	bundle   *policy.Bundle // nil without one
	engine   *policy.Engine // decides by the bundle and the stops; nil without a bundle
	actions  map[string]bool
	err      error // the stored bundle cannot be used, so that nothing can be decided
}

// Compile compiles the text of a bundle, and checks its signature if there are keys.
func (p *Policies) Compile(text, signature []byte) (*policy.Bundle, error) {
	if len(p.Keys) > 0 {
		return policy.ParseSigned(text, signature, p.Keys...)
	}
	return policy.Parse(text)
}

// of returns the policy of the tenant, and reads it if it is not in memory.
func (p *Policies) of(ctx context.Context, tenant string, rules Rules) (*loaded, error) {
	e := p.entry(tenant)
	e.mu.Lock()
	defer e.mu.Unlock()
	if changes := e.changes.Load(); e.loaded == nil || e.at != changes {
		read, err := p.read(ctx, tenant, rules, e)
		if err != nil {
			return nil, err
		}
		e.loaded, e.at = read, changes
		p.count(tenant, e)
	}
	return e.loaded, e.loaded.err
}

func (p *Policies) entry(tenant string) *entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.tenants[tenant]; e != nil {
		return e
	}
	if p.tenants == nil {
		p.tenants = map[string]*entry{}
	}
	p.shrink("", maxTenants-1)
	e := &entry{}
	p.tenants[tenant] = e
	return e
}

// count counts the memory of the entry, if it is still kept, and drops others that have no
// room any more.
func (p *Policies) count(tenant string, e *entry) {
	size := int64(0)
	if c := e.compiled.Load(); c != nil {
		size = c.bundle.MemorySize()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.tenants[tenant] == e {
		p.memory += size - e.memory
		e.memory = size
		p.shrink(tenant, maxTenants)
	}
}

// shrink drops entries, in random order, until the rest is within the limits. The tenant
// keep is not dropped.
func (p *Policies) shrink(keep string, tenants int) {
	for tenant := range p.tenants {
		if len(p.tenants) <= tenants && p.memory <= p.Limit() {
			return
		}
		if tenant != keep {
			p.drop(tenant)
		}
	}
}

func (p *Policies) drop(tenant string) {
	if e := p.tenants[tenant]; e != nil {
		p.memory -= e.memory
		delete(p.tenants, tenant)
	}
}

// changed makes the next call of the method of read the policy of the tenant. A call that
// is reading it may still return the earlier one. put is a bundle that was stored, or nil.
func (p *Policies) changed(tenant string, put *compiled) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.tenants[tenant]; e != nil {
		if put != nil {
			e.compiled.Store(put)
		}
		e.changes.Add(1)
	}
}

// read reads the policy of the tenant from the store and compiles it, unless the entry has
// it compiled already.
func (p *Policies) read(ctx context.Context, tenant string, rules Rules, e *entry) (*loaded, error) {
	var l *loaded
	var stored *storage.Bundle
	err := p.Store.View(ctx, func(t storage.Tx) (err error) {
		l, stored = &loaded{}, nil
		if l.revision, err = t.Policies().Revision(tenant); err != nil || l.revision == 0 {
			return err
		}
		if l.stops, err = t.Policies().Stops(tenant); err != nil {
			return err
		}
		bundle, err := t.Policies().Bundle(tenant)
		if errors.Is(err, storage.ErrNotFound) {
			return nil
		}
		stored = &bundle
		return err
	})
	if err != nil {
		return nil, err
	}
	if stored != nil {
		if err := l.compile(p, stored, rules, e); err != nil {
			l.err = fmt.Errorf("the policy bundle %s in force cannot be used: %w", storage.BundleName(stored.Name, stored.Version), err)
		}
	}
	return l, nil
}

func (l *loaded) compile(p *Policies, stored *storage.Bundle, rules Rules, e *entry) (err error) {
	last := e.compiled.Load()
	if !last.is(stored) {
		last = &compiled{text: stored.Text, signature: stored.Signature}
		if last.bundle, err = p.Compile(stored.Text, stored.Signature); err != nil {
			return err
		}
		e.compiled.Store(last)
	}
	l.bundle = last.bundle
	l.engine, err = policy.New(l.bundle, policy.Config{
		Tenant: stored.Tenant, Volatile: rules.Volatile, RecordInputs: rules.RecordInputs, Now: rules.Now, Budgets: &budgets{store: p.Store, tenant: stored.Tenant},
	})
	if err != nil {
		return err
	}
	stops := make([]policy.Stop, len(l.stops))
	for i, s := range l.stops {
		stops[i] = policy.Stop{Scope: s.Scope, Reason: s.Reason, By: s.By, At: s.At}
	}
	l.engine.SetStops(stops)
	l.actions = map[string]bool{}
	for _, action := range l.bundle.Actions() {
		l.actions[action.ID] = true
	}
	return nil
}

// Load reads and compiles the policies of all tenants, as far as they fit into memory. It
// returns the errors of the bundles that cannot be used, whose tenants cannot have
// anything decided.
func (r Rules) Load(ctx context.Context) (unusable, err error) {
	var tenants []string
	if err := r.Policies.Store.View(ctx, func(t storage.Tx) (err error) {
		tenants, err = t.Policies().BundleTenants()
		return err
	}); err != nil {
		return nil, err
	}
	var failures []error
	for _, tenant := range tenants {
		loaded, err := r.Policies.of(ctx, tenant, r)
		switch {
		case err != nil && (loaded == nil || loaded.err == nil):
			return nil, err
		case err != nil:
			failures = append(failures, fmt.Errorf("tenant %s: %w", tenant, err))
		}
	}
	return errors.Join(failures...), nil
}
