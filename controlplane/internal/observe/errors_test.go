package observe

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

func TestTelemetryProblem_EachStoreError_HasItsStatus(t *testing.T) {
	for want, err := range map[int]error{
		http.StatusTooManyRequests:     telemetry.ErrBusy,
		http.StatusServiceUnavailable:  fmt.Errorf("%w: %w", telemetry.ErrUnavailable, telemetry.ErrDiskFull),
		http.StatusBadRequest:          telemetry.ErrCursor,
		http.StatusUnprocessableEntity: telemetry.ErrTooManyTypes,
	} {
		e := web.ErrorOf(telemetryProblem(err))
		require.Equal(t, want, e.Status())
		if want == http.StatusTooManyRequests || want == http.StatusServiceUnavailable {
			require.Positive(t, e.RetryAfter())
		}
	}
	for _, err := range []error{telemetry.ErrUnavailable, telemetry.ErrClosed, telemetry.ErrReadOnly, context.Canceled, context.DeadlineExceeded} {
		require.Equal(t, http.StatusServiceUnavailable, web.ErrorOf(telemetryProblem(err)).Status(), err)
	}
}
