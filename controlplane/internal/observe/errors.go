package observe

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

// telemetryProblem converts an error of the telemetry store into the error of the
// response. Other errors, such as those of a context, are returned unchanged.
func telemetryProblem(err error) error {
	const persistent = "If this continues, check the server's log, the free space of its disk and the permissions of its files."
	switch {
	case errors.Is(err, telemetry.ErrBusy):
		return web.Problem(http.StatusTooManyRequests, wire.CodeExhausted, "the queue of telemetry waiting to be written is full; nothing was stored",
			web.WithRemediation("Report it again after the time in Retry-After, in larger batches if you can."), web.WithRetryAfter(time.Second))
	case errors.Is(err, telemetry.ErrClosed):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeShuttingDown, "the server is shutting down", web.WithRetryAfter(time.Second))
	case errors.Is(err, telemetry.ErrDiskFull):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the disk of the telemetry store is full; nothing was stored",
			web.WithRemediation("Report it again later. The server's operator must free space on the disk."), web.WithRetryAfter(10*time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrReadOnly):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the telemetry store is read-only; nothing was stored",
			web.WithRemediation("Report it again later. The server's operator must make the telemetry file writable."), web.WithRetryAfter(10*time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrUnavailable):
		return web.Problem(http.StatusServiceUnavailable, wire.CodeStore, "the telemetry store cannot be reached",
			web.WithRemediation("Try again. "+persistent), web.WithRetryAfter(time.Second), web.WithCause(err))
	case errors.Is(err, telemetry.ErrCursor):
		return web.BadQuery("cursor", "is not a cursor of this server; start again without a cursor")
	case errors.Is(err, telemetry.ErrTooManyTypes):
		return web.Problem(http.StatusUnprocessableEntity, wire.CodeExhausted, "the events have more task types than one summary may list",
			web.WithRemediation("Request a shorter range."), web.WithCause(err))
	default:
		return err
	}
}
