// Package handover takes what a router holds for a request through a guard that is built once,
// for routers whose handlers need more than a ResponseWriter and a Request.
package handover

import (
	"context"
	"net/http"
)

// Key identifies the guard that a value is handed through, so that guards in each other do not
// find the values of one another. Its address is the identity: each guard needs its own.
type Key struct{ _ byte }

// carrier is the context of a request with the value of one guard.
type carrier struct {
	context.Context //nolint:containedctx // it is the context of the request
	key             *Key
	value           any
}

// Value implements [context.Context].
func (c *carrier) Value(key any) any {
	if wanted, ok := key.(*Key); ok && wanted == c.key {
		return c.value
	}
	return c.Context.Value(key)
}

// Request returns a copy of the request for the guard, with the value in its context.
func Request(r *http.Request, key *Key, value any) *http.Request {
	return r.WithContext(&carrier{r.Context(), key, value})
}

// From returns the value that [Request] put into the context of the request. It panics if
// there is none: code around the guard has replaced the context, and the router cannot go on.
func From[T any](r *http.Request, key *Key) T {
	value, ok := r.Context().Value(key).(T)
	if !ok {
		panic("middleware: the function around the guard handed on a request with another context; it must keep the values of the context that it gets")
	}
	return value
}

// Return copies to r what the guard has set in the copy that [Request] returned: the pattern,
// and the form, whose temporary files the server removes.
func Return(r, guarded *http.Request) {
	r.Pattern = guarded.Pattern
	r.Form, r.PostForm, r.MultipartForm = guarded.Form, guarded.PostForm, guarded.MultipartForm
}
