// Package audit serves the audit log of the control plane: reading, exporting and
// verifying it, and recording the decisions, gate results and outcomes that services
// report.
package audit

import (
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// Service is the audit logs of all tenants. Every field must be set. It is safe
// for concurrent use.
type Service struct {
	Store storage.Store
	Now   func() time.Time
}
