package storage

import "time"

// Scope says which subjects a validator applies to.
type Scope string

// The scopes. If a validator id is registered in several scopes, the first one here
// is in force.
const (
	ScopeTenant  Scope = "tenant"  // registered by an admin, for every subject
	ScopeSubject Scope = "subject" // for the subject that registered it
	ScopeFormer  Scope = "former"  // for every subject; registered by a version in which validators had no owner
)

// Validator is a registered validator.
type Validator struct {
	Tenant       string
	Scope        Scope
	Owner        string // the subject if Scope is ScopeSubject; empty otherwise
	ID           string
	Version      int64
	Config       string // the JSON text as it was registered
	RegisteredBy string // the subject
	KeyID        string
	RegisteredAt time.Time
}

// Validators reads and stores registered validators.
type Validators interface {
	// Put stores a registration and returns its version: 1 for the first one with its
	// tenant, scope, owner and id, and one more each time it is replaced.
	Put(v Validator) (int64, error)
	// Scoped returns the registration of the id in that scope, or ErrNotFound. owner
	// is a subject for ScopeSubject, and empty otherwise.
	Scoped(tenant string, scope Scope, owner, id string) (Validator, error)
	// InForce returns the registration of the id that is in force for the subject:
	// that of the first scope that has one. It fails with ErrNotFound if no scope has
	// one.
	InForce(tenant, subject, id string) (Validator, error)
	// List returns a page of the validators in force for the subject, in the order
	// of their ids. The page begins with the first id that is greater than after,
	// and holds at most limit validators and [MaxPageBytes], but at least one
	// validator. more reports whether others follow.
	List(tenant, subject, after string, limit int) (list []Validator, more bool, err error)
	// ListTenant returns a page of the registrations of the tenant, of all scopes
	// and owners, in the order of id, scope and owner. The page begins with the
	// first one that follows after in that order. Its limits are those of List.
	ListTenant(tenant string, after Validator, limit int) (list []Validator, more bool, err error)
	// ListAll returns the registrations of all tenants, scopes and owners.
	ListAll() ([]Validator, error)
	// Count returns how many registrations the tenant has, and how many of them
	// belong to the owner.
	Count(tenant, owner string) (all, owned int, err error)
}
