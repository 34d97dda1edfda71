package sqlite

import (
	"testing"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry/telemetrytest"
)

func TestStore_BackendSuite_Passes(t *testing.T) {
	telemetrytest.Run(t, func(t testing.TB, options telemetry.Options) telemetry.Store { return openStore(t, options) })
}
