package storage

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// The limits of the policy of a tenant.
const (
	// KeptBundles is how many versions of the bundle keep their text. Of older ones only
	// the name, the digest and who stored them are kept.
	KeptBundles = 1000
	// MaxStops is how many stops may hold at the same time.
	MaxStops = 1000
	// MaxReservations is how many reservations one budget may have for one key within
	// its window. Beyond them the budget counts as used up.
	MaxReservations = 100_000
)

// Bundle is a version of the policy bundle of a tenant.
type Bundle struct {
	Tenant    string
	Name      string
	Version   int64
	Digest    aureus.Digest // the SHA-256 of Text
	Text      []byte        // exactly as it was stored; nil in a list, and if it is no longer kept
	Signature []byte        // empty without one
	PutBy     string        // the subject
	KeyID     string
	PutAt     time.Time
}

// Stop forbids what its scope selects until it is removed.
type Stop struct {
	Tenant string
	Scope  string // all, principal:ID or action:ID
	Reason string
	By     string // the subject
	KeyID  string
	At     time.Time
}

// StopsDigest returns a digest of the stops of a tenant, by which a reader sees that
// they have changed. The order of the stops matters.
func StopsDigest(stops []Stop) aureus.Digest {
	h := sha256.New()
	for _, s := range stops {
		_, _ = fmt.Fprintf(h, "%q %q %q %d\n", s.Scope, s.Reason, s.By, s.At.UnixNano()) // a hash never fails
	}
	return aureus.Digest(h.Sum(nil))
}

// Reservation is an amount that a decision takes from a budget.
type Reservation struct {
	Budget string        // the id of the budget
	Key    string        // whose share it is, such as a principal; empty if all share the budget
	Window time.Duration // how long the amount counts

	// Amount and Limit are whole millionths, not negative, so that sums are exact. Limit is
	// the largest sum of the amounts within the window.
	Amount, Limit int64
}

// Exceeded says which of several reservations a budget has no room for.
type Exceeded struct {
	Index      int           // of the reservation
	Used       int64         // the sum of the amounts within the window
	RetryAfter time.Duration // until the budget has room for the amount; 0 if it never has
}

// Policies reads and changes the policies of the tenants. Each change of a bundle or a
// stop has its entry in the audit log and increases the revision of the tenant.
type Policies interface {
	// Revision returns the number of changes to the bundle and the stops of the tenant.
	Revision(tenant string) (int64, error)

	// PutBundle stores a version of the tenant's bundle, which is in force from then on.
	// It fails with ErrConflict if the tenant has a bundle with the same or a higher
	// version, or with another name: followers refuse it, and would stay with the old one.
	// changed is false if exactly this version is in force already.
	PutBundle(b Bundle) (changed bool, err error)
	// Bundle returns the bundle in force, which is the one with the highest version, or
	// ErrNotFound.
	Bundle(tenant string) (Bundle, error)
	// BundleVersion returns the version of the tenant's bundle, or ErrNotFound.
	BundleVersion(tenant string, version int64) (Bundle, error)
	// Bundles returns at most limit versions of the tenant's bundle without their texts,
	// the newest first. If before is not 0, it returns versions lower than that.
	Bundles(tenant string, before int64, limit int) (list []Bundle, more bool, err error)
	// BundleTenants returns the tenants that have a bundle or a stop.
	BundleTenants() ([]string, error)

	// Stops returns the stops of the tenant, in the order of their scopes.
	Stops(tenant string) ([]Stop, error)
	// Stop adds a stop. If the scope is stopped already, changed is false, and the first
	// reason stays. It fails with ErrTooManyStops beyond [MaxStops].
	Stop(s Stop) (changed bool, err error)
	// Resume removes a stop. It fails with ErrNotFound if there is none with that scope.
	Resume(tenant string, now time.Time, by Actor, scope string) error

	// Room reports which of the reservations the budgets have no room for. It changes
	// nothing.
	Room(tenant string, now time.Time, list []Reservation) ([]Exceeded, error)
	// Reserve stores the reservations of a decision. The caller has called Room in the
	// same transaction. Those of the zero decision cannot be released.
	Reserve(tenant string, now time.Time, decision aureus.DecisionID, list []Reservation) error
	// Release deletes the reservations of a decision that did nothing.
	Release(tenant string, decision aureus.DecisionID) error
	// Keep makes the reservations of a decision count until they leave their window:
	// Release has no effect on them any more.
	Keep(tenant string, decision aureus.DecisionID) error
	// Prune deletes at most limit reservations of any tenant that no longer count, and
	// returns their number: 0 means that none is left.
	Prune(now time.Time, limit int) (int64, error)
}

// PolicyRows reads and writes the rows of bundles, stops and reservations.
type PolicyRows interface {
	// Revision, BundleVersion, BundleTenants, Stops, Release, Keep and Prune are as in
	// [Policies].
	Revision(tenant string) (int64, error)
	BundleVersion(tenant string, version int64) (Bundle, error)
	BundleTenants() ([]string, error)
	Stops(tenant string) ([]Stop, error)
	Release(tenant string, decision aureus.DecisionID) error
	Keep(tenant string, decision aureus.DecisionID) error
	Prune(now time.Time, limit int) (int64, error)

	// Changed increases the revision of the tenant by one.
	Changed(tenant string) error
	// AddBundle stores a version that the tenant does not have yet.
	AddBundle(b Bundle) error
	// DropTexts deletes the texts of all versions of the tenant's bundle except the
	// keep highest ones. Their signatures go too.
	DropTexts(tenant string, keep int) error
	// Bundles calls visit for at most limit versions, the highest first, that are lower
	// than before or, if before is 0, for any. Their texts are nil.
	Bundles(tenant string, before int64, limit int, visit func(Bundle) error) error
	// AddStop stores a stop with a scope that is not stopped yet.
	AddStop(s Stop) error
	// DeleteStop deletes the stop. It returns false if there is none.
	DeleteStop(tenant, scope string) (bool, error)
	// AddReservation stores a reservation.
	AddReservation(tenant string, now time.Time, decision aureus.DecisionID, r Reservation) error
	// Used returns the number of the reservations of the budget and the key that were
	// made after since, and the sum of their amounts.
	Used(tenant, budget, key string, since time.Time) (n int, sum int64, err error)
	// Freed returns the time of the reservation with which these, from the oldest one on, are
	// at least n and have at least the sum; the zero time if all of them are less.
	Freed(tenant, budget, key string, since time.Time, n int, sum int64) (at time.Time, err error)
}
