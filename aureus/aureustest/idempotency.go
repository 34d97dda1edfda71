package aureustest

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"slices"
	"time"

	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	responsesKept   = 10 * time.Minute // by the server's clock
	maxResponses    = 1000
	maxKeptResponse = 64 << 10 // bytes
)

// responses holds the newest responses by Idempotency-Key, and the keys whose first
// request has no response yet.
type responses struct {
	underWay map[idempotencyScope]struct{} // at most one for each open request
	kept     map[idempotencyScope]keptResponse
	order    []idempotencyScope // of kept, oldest first
}

type idempotencyScope struct{ keyID, method, path, key string }

type keptResponse struct {
	at       time.Time
	request  [sha256.Size]byte
	response response
}

// once serves a request, or repeats the response to the first request with its
// Idempotency-Key.
func (s *Server) once(r *http.Request, body []byte) response {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		a, _ := s.dispatch(r, body)
		return a
	}
	scope := idempotencyScope{s.keyID(r), r.Method, r.URL.EscapedPath(), key}
	sum := sha256.Sum256(body)
	switch first, state := s.begin(scope); {
	case state == isUnderWay:
		return responseFor(refuse(http.StatusConflict, wire.CodeInFlight, "a request with this Idempotency-Key is under way").with("Retry-After", "1"), r)
	case state == isKept && first.request != sum:
		return responseFor(refuse(http.StatusUnprocessableEntity, wire.CodeKeyReused, "this Idempotency-Key was used for a request with another body"), r)
	case state == isKept:
		again := first.response.clone()
		again.header.Set("Idempotency-Replayed", "true")
		return again
	}
	var keep *response
	defer func() { s.end(scope, sum, keep) }() // also after a panic, so that the client can retry
	a, repeatable := s.dispatch(r, body)
	if !repeatable && a.status == http.StatusOK && len(a.body) <= maxKeptResponse {
		first := a.clone()
		keep = &first
	}
	return a
}

type scopeState int

const (
	isNew scopeState = iota
	isUnderWay
	isKept
)

// begin marks the scope as under way if it is new, or returns its state and its kept
// response.
func (s *Server) begin(scope idempotencyScope) (first keptResponse, state scopeState) {
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.responses
	for len(a.order) > 0 && now.Sub(a.kept[a.order[0]].at) >= responsesKept {
		a.dropOldest()
	}
	if first, ok := a.kept[scope]; ok {
		return first, isKept
	}
	if _, ok := a.underWay[scope]; ok {
		return keptResponse{}, isUnderWay
	}
	if a.underWay == nil {
		a.underWay, a.kept = map[idempotencyScope]struct{}{}, map[idempotencyScope]keptResponse{}
	}
	a.underWay[scope] = struct{}{}
	return keptResponse{}, isNew
}

// end marks the scope as not under way, and keeps the response if there is one.
func (s *Server) end(scope idempotencyScope, sum [sha256.Size]byte, keep *response) {
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.responses
	delete(a.underWay, scope)
	if keep == nil {
		return
	}
	if len(a.order) == maxResponses {
		a.dropOldest()
	}
	a.kept[scope] = keptResponse{at: now, request: sum, response: *keep}
	a.order = append(a.order, scope)
}

func (a *responses) dropOldest() {
	delete(a.kept, a.order[0])
	a.order = slices.Delete(a.order, 0, 1)
}

// clone is a deep copy.
func (a response) clone() response {
	return response{status: a.status, header: a.header.Clone(), body: bytes.Clone(a.body)}
}
