// Package audit serves the audit log of the control plane: reading, exporting,
// verifying and archiving it, and recording the decisions, gate results and outcomes
// that services report.
package audit

import (
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/inputs"
)

// Service serves the audit logs of all tenants. Store and Now must be set before the
// first request; then it is safe for concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time

	// Inputs says which inputs of reported decisions are stored; the zero value: none.
	Inputs inputs.AllowList
}
