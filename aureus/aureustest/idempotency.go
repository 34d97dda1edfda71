package aureustest

import (
	"bytes"
	"crypto/sha256"
	"net/http"
	"time"
)

const (
	answersKept   = 10 * time.Minute // by the server's clock
	maxAnswers    = 1000
	maxKeptAnswer = 64 << 10 // bytes
)

// answers are the first answers to each Idempotency-Key, the newest of them.
type answers struct {
	kept  map[answerScope]*keptAnswer
	order []answerScope // oldest first
}

type answerScope struct{ keyID, method, path, key string }

type keptAnswer struct {
	done    bool // false while the first request is under way
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
	first, repeated := s.begin(scope, sum)
	switch {
	case !repeated:
	case !first.done:
		return answerFor(refuse(http.StatusConflict, codeInFlight, "a request with this Idempotency-Key is under way").with("Retry-After", "1"), r)
	case first.request != sum:
		return answerFor(refuse(http.StatusUnprocessableEntity, codeKeyReused, "this Idempotency-Key was used for another body"), r)
	default:
		again := answer{status: first.answer.status, header: first.answer.header.Clone(), body: bytes.Clone(first.answer.body)}
		again.header.Set("Idempotency-Replayed", "true")
		return again
	}
	ended := false
	defer func() {
		if !ended { // a panic: whoever asks again may try again
			s.end(scope, nil)
		}
	}()
	a, repeatable := s.dispatch(r, body)
	ended = true
	if repeatable || a.status != http.StatusOK || len(a.body) > maxKeptAnswer {
		s.end(scope, nil)
	} else {
		s.end(scope, &answer{status: a.status, header: a.header.Clone(), body: bytes.Clone(a.body)})
	}
	return a
}

// begin notes that the first request of the scope is under way, or gives what
// there is of it.
func (s *Server) begin(scope answerScope, sum [sha256.Size]byte) (first keptAnswer, repeated bool) {
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.answers
	for len(a.order) > 0 {
		oldest := a.kept[a.order[0]]
		if !oldest.done || (now.Sub(oldest.at) < answersKept && len(a.order) < maxAnswers) {
			break
		}
		a.drop(0)
	}
	if known := a.kept[scope]; known != nil {
		return *known, true
	}
	if a.kept == nil {
		a.kept = map[answerScope]*keptAnswer{}
	}
	a.kept[scope] = &keptAnswer{at: now, request: sum}
	a.order = append(a.order, scope)
	return keptAnswer{}, false
}

// end keeps the answer, or forgets the request where there is none to keep.
func (s *Server) end(scope answerScope, kept *answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.answers
	if kept != nil {
		a.kept[scope].done, a.kept[scope].answer = true, *kept
		return
	}
	for i, other := range a.order {
		if other == scope {
			a.drop(i)
			return
		}
	}
}

func (a *answers) drop(i int) {
	delete(a.kept, a.order[i])
	a.order = append(a.order[:i], a.order[i+1:]...)
}
