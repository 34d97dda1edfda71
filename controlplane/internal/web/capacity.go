package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// LongBody is the length of a body, in bytes, from which on processing it has
	// to wait for its turn: it may keep a processor busy for some time.
	LongBody = 64 << 10
	// longGzipBody is the same for a compressed body, which may expand to a
	// thousand times its length.
	longGzipBody = 4 << 10
	// extraRequests is how many requests may be answered at once beyond those that
	// hold a slot: those that are not authenticated yet, and those of public routes.
	// Neither reads a body or waits for anything.
	extraRequests = 1000
)

// MaxLongRead is how long one read of a store may take by default: a summary, or
// one page of a list, of an export or of a verification.
const MaxLongRead = 30 * time.Second

// admit counts the request against the limits and limits its body. What the
// request holds is given back when the account is closed. A body that is declared
// too large is refused before the client is asked to send it.
func (k *Kernel) admit(route Route, w http.ResponseWriter, r *http.Request, c Caller) (*governor.Account, error) {
	limit := k.config.MaxBody
	if route.Body == BatchBody {
		limit = k.config.MaxBatchBody
	}
	if r.ContentLength > limit {
		if route.OnTooLarge != nil {
			route.OnTooLarge(c)
		}
		return nil, bodyTooLarge(limit)
	}
	account, err := k.config.Governor.Enter(governor.Owner{Tenant: c.Tenant, Key: c.KeyID}, route.Urgent || c.Role.AtLeast(Operator))
	if err != nil {
		return nil, CapacityError(err)
	}
	state := stateOf(r)
	state.account, state.longWork = account, route.LongWork
	control := http.NewResponseController(w)
	if r.ContentLength == 0 {
		_ = control.SetReadDeadline(time.Time{}) // nothing is read, and the response may take any time
	}
	body := governor.NewBody(r.Body, control)
	r.Body = &limitedBody{ReadCloser: http.MaxBytesReader(w, body, limit), limit: limit}
	return account, nil
}

// CapacityError is the answer for an error of the governor: 429 where the caller's
// own share is used up, 503 where everybody's is. Other errors, and nil, are
// returned as they are.
func CapacityError(err error) error {
	if errors.Is(err, governor.ErrNoTurn) {
		return Problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "other requests were processed for so long that this one was not begun",
			WithRemediation("Try again in a moment."), WithRetryAfter(time.Second))
	}
	refused, ok := errors.AsType[*governor.RefusedError](err)
	switch {
	case !ok:
		return err
	case refused.Never:
		return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the body takes more memory, once it is read, than one key may have",
			WithRemediation("Send less at once."))
	case refused.Level == governor.LevelTotal:
		return Problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "too much is under way",
			WithRemediation("Try again in a moment."), WithRetryAfter(time.Second))
	}
	return Problem(http.StatusTooManyRequests, wire.CodeExhausted, "this "+string(refused.Level)+" has as much under way as it may have at once",
		WithRemediation("Wait for the end of other requests of this "+string(refused.Level)+", and try again."), WithRetryAfter(time.Second))
}
