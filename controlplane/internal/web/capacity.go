package web

import (
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	// LongBody is the length of a body, in bytes, above which its request waits for a
	// processor: see ReadBody. Processing it may take long.
	LongBody = 64 << 10
	// longGzipBody is the same limit for a compressed body, which may expand to about
	// 1000 times its length.
	longGzipBody = 4 << 10
	// extraRequests is how many requests may be answered at once without a slot of the
	// governor: those that are not authenticated yet and those of public routes. They
	// read no body, or that of a login, which is short, and wait for nothing.
	extraRequests = 1000
)

// MaxLongRead is how long one read of a store may take: a summary, or one page of a
// list, an export or a verification.
const MaxLongRead = 30 * time.Second

// admit takes a slot for the request and limits its body. The caller must close the
// returned account, which gives the slot and the memory back. A body whose declared
// length is too large is refused before the client sends it.
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
		_ = control.SetReadDeadline(time.Time{}) // there is no body to read, and the handler may take any time
	}
	body := governor.NewBody(r.Body, control)
	r.Body = &limitedBody{ReadCloser: http.MaxBytesReader(w, body, limit), limit: limit}
	return account, nil
}

// CapacityError converts an error of the governor into the error of the response: 429
// if the share of the key or tenant is used up, 503 if that of the whole server is,
// and 413 if the body can never fit. Other errors, and nil, are returned unchanged.
func CapacityError(err error) error {
	if errors.Is(err, governor.ErrNoTurn) {
		return Problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "this request waited too long for a processor, which other requests use",
			WithRemediation("Try again in a moment."), WithRetryAfter(time.Second))
	}
	refused, ok := errors.AsType[*governor.RefusedError](err)
	switch {
	case !ok:
		return err
	case refused.Never:
		return Problem(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the decoded body needs more memory than one key may use",
			WithRemediation("Send a smaller body."))
	case refused.Level == governor.LevelTotal:
		return Problem(http.StatusServiceUnavailable, wire.CodeOverloaded, "the server is at its capacity limit",
			WithRemediation("Try again in a moment."), WithRetryAfter(time.Second))
	}
	return Problem(http.StatusTooManyRequests, wire.CodeExhausted, "this "+string(refused.Level)+" uses all the capacity that it may use at once",
		WithRemediation("Wait until other requests of this "+string(refused.Level)+" have ended, and try again."), WithRetryAfter(time.Second))
}
