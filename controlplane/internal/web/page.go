package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/wire"
)

// Page is how a [Route] authenticates and answers a browser, which sends no API key and
// shows no JSON. Both functions must be set, except Caller if the route is public.
type Page struct {
	// Caller returns the caller of the request, in place of the key in the header
	// Authorization. The kernel checks the role of the route.
	Caller func(r *http.Request) (Caller, error)

	// Fail writes the response for an error, in place of JSON. The kernel has logged the
	// error if its status is 500 or higher.
	Fail func(w http.ResponseWriter, r *http.Request, e *Error)
}

// callerOf returns the caller of a request of the route, whose role is sufficient.
func (k *Kernel) callerOf(route Route, r *http.Request) (Caller, error) {
	if route.Page == nil {
		return k.authenticate(r, route.Role)
	}
	c, err := route.Page.Caller(r)
	if err != nil {
		return Caller{}, err
	}
	stateOf(r).keyID = c.KeyID
	if !c.Role.AtLeast(route.Role) {
		return Caller{}, roleTooWeak(c.Role, route.Role)
	}
	return c, nil
}

// LogIn returns the caller whose key has the secret, if its role is at least need, or an
// error response. Failures are counted like those of requests to the API. Besides, while
// [maxLogins] have failed within a minute from anywhere, an address with a failure of its
// own is refused before its key is looked at; one without is not, so that guessing keys
// does not keep others out.
func (k *Kernel) LogIn(r *http.Request, secret string, need Role) (Caller, error) {
	now := k.config.Now()
	if err := k.throttle.mayLogIn(r, now); err != nil {
		return Caller{}, err
	}
	if len(secret) > MaxSecret {
		secret = "" // no key is that long
	}
	c, err := k.LookUp(r.Context(), secret)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return Caller{}, k.throttle.loginFailed(r, now, KeyNotAccepted())
	case err != nil:
		return Caller{}, err
	}
	stateOf(r).keyID = c.KeyID
	if !c.Role.AtLeast(need) {
		return Caller{}, roleTooWeak(c.Role, need)
	}
	return c, nil
}

// KeyOf returns the caller that the key with the id stands for now, or
// storage.ErrNotFound if it is unknown or revoked. A session that began with a key asks
// at each request.
func (k *Kernel) KeyOf(ctx context.Context, id string) (Caller, error) {
	if c, ok := k.keys.byID(id); ok {
		return c, nil
	}
	key, err := k.config.Keys.Key(ctx, id)
	if err != nil {
		return Caller{}, err
	}
	if !key.RevokedAt.IsZero() {
		return Caller{}, storage.ErrNotFound
	}
	return callerWith(key), nil
}

func roleTooWeak(role, need Role) error {
	return Problem(http.StatusForbidden, wire.CodeForbidden, "role "+string(role)+" may not do this; it needs "+string(need))
}

// SameOrigin returns the error response for a request that a page of another origin made,
// as far as the headers of browsers tell: Sec-Fetch-Site, or else Origin.
func SameOrigin(r *http.Request) error {
	if isCrossOrigin(r) {
		return Problem(http.StatusForbidden, wire.CodeForbidden, "requests from other origins are refused")
	}
	return nil
}

// IsLoopbackHost reports whether the request names localhost or a loopback address as its
// host.
func IsLoopbackHost(r *http.Request) bool { return isLoopbackHost(r.Host) }

const (
	// maxLogins is how many logins may fail within loginWindow before addresses that
	// have failed are refused at once.
	maxLogins   = 1000
	loginWindow = time.Minute
)

// loginFailed counts a login that failed, and returns its error response as failed does.
func (t *throttle) loginFailed(r *http.Request, now time.Time, refusal error) error {
	t.mu.Lock()
	if now.Sub(t.logins.since) >= loginWindow {
		t.logins = failures{since: now}
	}
	t.logins.count++
	t.mu.Unlock()
	return t.failed(r, now, refusal)
}

// mayLogIn returns the error response for a login that is refused without looking at the
// key.
func (t *throttle) mayLogIn(r *http.Request, now time.Time) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := t.logins.since.Add(loginWindow).Sub(now)
	if t.logins.count < maxLogins || rest <= 0 || !t.hasFailed(r, now) {
		return nil
	}
	return Problem(http.StatusTooManyRequests, wire.CodeExhausted, "too many logins have failed",
		WithRemediation("Wait a minute, and then log in with a valid key."), WithRetryAfter(rest))
}
