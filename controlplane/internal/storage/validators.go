package storage

import "time"

// Scope says for whom a validator is in force.
type Scope string

// The scopes, in the order in which they are looked up.
const (
	ScopeTenant  Scope = "tenant"  // registered by an admin, for every subject
	ScopeSubject Scope = "subject" // for the subject that registered it
	ScopeFormer  Scope = "former"  // for every subject, from before validators had owners
)

// Validator is a registered validator.
type Validator struct {
	Tenant       string
	Scope        Scope
	Owner        string // the subject of ScopeSubject; empty otherwise
	ID           string
	Version      int64
	Config       string // JSON text as it was registered
	RegisteredBy string // the subject
	KeyID        string
	RegisteredAt time.Time
}

// Validators are the registered validators.
type Validators interface {
	// Put stores a registration as the next version of its id under its owner, and
	// gives that version, which begins at 1.
	Put(v Validator) (int64, error)
	// Scoped is the registration under the id in that scope, or ErrNotFound. The
	// owner is a subject for ScopeSubject, and empty otherwise.
	Scoped(tenant string, scope Scope, owner, id string) (Validator, error)
	// InForce is the registration of the id that is in force for the subject: that
	// of the first scope which has one. ErrNotFound: no scope has one.
	InForce(tenant, subject, id string) (Validator, error)
	// List gives what is in force for the subject, in the order of the ids: those
	// greater than after, at most limit and [MaxPageBytes], but one at least. more
	// says that there are others behind them.
	List(tenant, subject, after string, limit int) (list []Validator, more bool, err error)
	// ListTenant gives every registration of the tenant, whoever has it, in the
	// order of id, scope and owner: those behind after, as many as List.
	ListTenant(tenant string, after Validator, limit int) (list []Validator, more bool, err error)
	// ListAll gives the registrations of every tenant, scope and owner.
	ListAll() ([]Validator, error)
	// Count is how many validators a tenant has registered, and how many of them
	// belong to the owner.
	Count(tenant, owner string) (all, owned int, err error)
}
