// Package policy serves decisions: POST /api/v1/policy/evaluate decides a request,
// POST /api/v1/policy/check only previews the decision, and GET /api/v1/decisions/{id}
// reads a decision with its outcome. A decision, its entry in the audit log and its
// effect on an approval are stored in one transaction.
package policy

import (
	"context"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/approvals"
	"github.com/farmountain/aureus-go/controlplane/internal/rules"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/inputs"
)

// Service decides requests. Every field except Inputs must be set before the first request; then
// it is safe for concurrent use.
type Service struct {
	Store     storage.Store
	Now       func() time.Time
	Rules     rules.Rules
	Approvals *approvals.Service

	// Inputs says which inputs of decisions are stored; the zero value: none.
	Inputs inputs.AllowList

	// Report stores a telemetry event. An error is logged and does not change the
	// decision.
	Report func(ctx context.Context, tenant string, event aureus.TelemetryEvent) error
}
