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
	answersKept   = 10 * time.Minute // by the server's clock
	maxAnswers    = 1000
	maxKeptAnswer = 64 << 10 // bytes
)

// answers are the first answers to each Idempotency-Key, the newest of them, and
// what there is no answer to yet.
type answers struct {
	underWay map[answerScope]struct{} // as many as there are requests
	kept     map[answerScope]keptAnswer
	order    []answerScope // of those kept, oldest first
}

type answerScope struct{ keyID, method, path, key string }

type keptAnswer struct {
	at      time.Time
	request [sha256.Size]byte
	answer  answer
}

// once serves a request, or gives the first answer to its Idempotency-Key again.
func (s *Server) once(r *http.Request, body []byte) answer {
	key := r.Header.Get("Idempotency-Key")
	if key == "" || r.Method == http.MethodGet || r.Method == http.MethodHead {
		a, _ := s.dispatch(r, body)
		return a
	}
	scope := answerScope{s.keyID(r), r.Method, r.URL.EscapedPath(), key}
	sum := sha256.Sum256(body)
	switch first, state := s.begin(scope); {
	case state == isUnderWay:
		return answerFor(refuse(http.StatusConflict, wire.CodeInFlight, "a request with this Idempotency-Key is under way").with("Retry-After", "1"), r)
	case state == isKept && first.request != sum:
		return answerFor(refuse(http.StatusUnprocessableEntity, wire.CodeKeyReused, "this Idempotency-Key was used for another body"), r)
	case state == isKept:
		again := first.answer.clone()
		again.header.Set("Idempotency-Replayed", "true")
		return again
	}
	var keep *answer
	defer func() { s.end(scope, sum, keep) }() // after a panic too: whoever asks again may try again
	a, repeatable := s.dispatch(r, body)
	if !repeatable && a.status == http.StatusOK && len(a.body) <= maxKeptAnswer {
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

// begin notes that the first request of the scope is under way, or gives what
// there is of it.
func (s *Server) begin(scope answerScope) (first keptAnswer, state scopeState) {
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.answers
	for len(a.order) > 0 && now.Sub(a.kept[a.order[0]].at) >= answersKept {
		a.dropOldest()
	}
	if first, ok := a.kept[scope]; ok {
		return first, isKept
	}
	if _, ok := a.underWay[scope]; ok {
		return keptAnswer{}, isUnderWay
	}
	if a.underWay == nil {
		a.underWay, a.kept = map[answerScope]struct{}{}, map[answerScope]keptAnswer{}
	}
	a.underWay[scope] = struct{}{}
	return keptAnswer{}, isNew
}

// end keeps the answer, or forgets the request where there is none to keep.
func (s *Server) end(scope answerScope, sum [sha256.Size]byte, keep *answer) {
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.answers
	delete(a.underWay, scope)
	if keep == nil {
		return
	}
	if len(a.order) == maxAnswers {
		a.dropOldest()
	}
	a.kept[scope] = keptAnswer{at: now, request: sum, answer: *keep}
	a.order = append(a.order, scope)
}

func (a *answers) dropOldest() {
	delete(a.kept, a.order[0])
	a.order = slices.Delete(a.order, 0, 1)
}

// clone shares nothing with the answer.
func (a answer) clone() answer {
	return answer{status: a.status, header: a.header.Clone(), body: bytes.Clone(a.body)}
}
