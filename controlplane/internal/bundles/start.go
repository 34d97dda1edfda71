package bundles

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// errHigher ends the transaction of PutAtStart where a higher version is in force.
var errHigher = errors.New("a higher version is in force")

// Start says what became of a bundle that a server was started with.
type Start struct {
	Bundle string   // its name and version
	InUse  bool     // it is in force; otherwise a higher version is
	Notes  []string // what a reader of the bundle must know
}

// PutAtStart puts the bundle in force in the tenant of owner, whose Tenant, PutBy and KeyID
// are stored with it. A higher version that is in force stays, so that a restart does not
// take back what an admin has changed since. The same version with another text and another
// name than that in force are errors, and so is a bundle that does not load.
func (s *Service) PutAtStart(ctx context.Context, owner storage.Bundle, text, signature []byte) (Start, error) {
	compiled, err := s.compile(text, signature)
	if err != nil {
		return Start{}, err
	}
	owner.Name, owner.Version, owner.Digest, owner.Text, owner.Signature = compiled.Name(), compiled.Version(), sha256.Sum256(text), text, signature
	owner.PutAt = s.Now()
	start := Start{Bundle: storage.BundleName(owner.Name, owner.Version), InUse: true, Notes: compiled.Notes()}
	_, err = s.store(ctx, owner, compiled, func(_ storage.Tx, last storage.Bundle) error {
		if last.Name == owner.Name && last.Version > owner.Version {
			return errHigher
		}
		return nil
	})
	if errors.Is(err, errHigher) {
		start.InUse, err = false, nil
	}
	return start, err
}
