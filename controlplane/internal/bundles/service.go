// Package bundles serves the policy of a tenant: the versions of its policy bundle and
// the stops that hold. Package rules decides by them.
package bundles

import (
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Service serves bundles and stops. Every field must be set before the first request;
// then it is safe for concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time
	Rules rules.Rules
}
