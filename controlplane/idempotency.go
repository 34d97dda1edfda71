package controlplane

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"

	maxIdempotencyKey = 255
	// answersKept is how long a first answer is given again.
	answersKept = 10 * time.Minute
	// maxAnswers and maxAnswerBytes bound what is kept; the oldest goes first.
	maxAnswers     = 20_000
	maxAnswerBytes = 64 << 20
	// maxKeptAnswer bounds one answer. A larger one is not kept.
	maxKeptAnswer = 1 << 20
)

// answers keeps the first answer to each Idempotency-Key, so that a client that
// did not hear it can ask again without doing anything twice. It keeps them in
// memory: after a restart a repeated request is a new one. It is safe for
// concurrent use.
type answers struct {
	mu    sync.Mutex
	kept  map[answerScope]*keptAnswer
	order []answerScope // by time, oldest first
	bytes int
}

// answerScope is what a key stands for: the same text of another caller, or on
// another path, is another key.
type answerScope struct{ tenant, keyID, method, path, key string }

type keptAnswer struct {
	done    bool // false while the first request is under way
	at      time.Time
	request [sha256.Size]byte
	status  int
	header  http.Header
	body    []byte
}

// once serves a request that carries an Idempotency-Key by giving the first
// answer again, or else through serve, and keeps a success.
func (s *Server) once(w http.ResponseWriter, r *http.Request, c caller, serve handler) error {
	values := r.Header.Values(idempotencyHeader)
	if len(values) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return serve(w, r, c)
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return problem(http.StatusBadRequest, codeValidation, "the Idempotency-Key must be one text of 1 to 255 printable ASCII characters")
	}
	scope := answerScope{c.tenant, c.keyID, r.Method, r.URL.EscapedPath(), key}
	first := s.answers.begin(scope, s.config.Now())
	if first != nil {
		return replay(w, r, first)
	}

	body := hashed(r)
	kept := &keptWriter{ResponseWriter: w}
	ended := false
	defer func() {
		if !ended { // an error or a panic: whoever asks again may try again
			s.answers.forget(scope)
		}
	}()
	if err := serve(kept, r, c); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil || infoOf(r).repeatable || !kept.worthKeeping() {
		return nil // the answer has been given; it is only not kept
	}
	ended = true
	s.answers.keep(scope, &keptAnswer{done: true, at: s.config.Now(), request: body.sum(), status: kept.status, header: kept.header, body: kept.body.Bytes()})
	return nil
}

// replay gives a first answer again, to the same request.
func replay(w http.ResponseWriter, r *http.Request, first *keptAnswer) error {
	if !first.done {
		return problem(http.StatusConflict, codeInFlight, "a request with this Idempotency-Key is under way",
			withRemediation("Ask again in a moment, with the same key."), withRetryAfter(time.Second))
	}
	body := hashed(r)
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		_, err = readBody(r) // says what is wrong with it
		return err
	}
	if body.sum() != first.request {
		return problem(http.StatusUnprocessableEntity, codeKeyReused, "this Idempotency-Key was used for another body",
			withRemediation("Use a new key for a new request."))
	}
	maps.Copy(w.Header(), first.header)
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(first.status)
	_, _ = w.Write(first.body) // a client that is gone does not hear of it
	return nil
}

// begin notes that the first request of the scope is under way, or gives what
// there is of it.
func (a *answers) begin(scope answerScope, now time.Time) *keptAnswer {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.order) > 0 && a.kept[a.order[0]].done && now.Sub(a.kept[a.order[0]].at) >= answersKept {
		a.drop(0)
	}
	if first := a.kept[scope]; first != nil {
		return first
	}
	if len(a.order) >= maxAnswers {
		a.makeRoom()
	}
	if a.kept == nil {
		a.kept = make(map[answerScope]*keptAnswer)
	}
	a.kept[scope] = &keptAnswer{at: now}
	a.order = append(a.order, scope)
	return nil
}

func (a *answers) keep(scope answerScope, answer *keptAnswer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept[scope] == nil {
		return
	}
	a.kept[scope] = answer
	a.bytes += len(answer.body)
	for a.bytes > maxAnswerBytes && a.makeRoom() {
		continue
	}
}

func (a *answers) forget(scope answerScope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, other := range slices.Backward(a.order) { // what is forgotten has begun of late
		if other == scope {
			a.drop(i)
			return
		}
	}
}

// makeRoom drops the oldest answer that has been given. Requests under way are
// bounded elsewhere.
func (a *answers) makeRoom() bool {
	for i, scope := range a.order {
		if a.kept[scope].done {
			a.drop(i)
			return true
		}
	}
	return false
}

func (a *answers) drop(i int) {
	scope := a.order[i]
	a.bytes -= len(a.kept[scope].body)
	delete(a.kept, scope)
	if i == 0 { // the usual case: what is over
		a.order = a.order[1:]
		return
	}
	a.order = append(a.order[:i], a.order[i+1:]...)
}

// hashedBody hashes a body as it is read.
type hashedBody struct {
	io.ReadCloser
	hash hash.Hash
}

// hashed lets the bytes of the request's body be hashed as they come, beneath
// its bound.
func hashed(r *http.Request) *hashedBody {
	body := &hashedBody{ReadCloser: r.Body, hash: sha256.New()}
	if bounded, ok := r.Body.(*boundedBody); ok {
		body.ReadCloser = bounded.ReadCloser
		bounded.ReadCloser = body
		return body
	}
	r.Body = body
	return body
}

func (b *hashedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	_, _ = b.hash.Write(p[:n]) // a hash takes everything
	return n, err
}

func (b *hashedBody) sum() [sha256.Size]byte { return [sha256.Size]byte(b.hash.Sum(nil)) }

// keptWriter copies an answer while it is given.
type keptWriter struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
	large  bool
}

func (w *keptWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
		w.header = http.Header{}
		for _, name := range []string{"Content-Type", "ETag", "Link"} {
			if values := w.Header().Values(name); len(values) > 0 {
				w.header[name] = append([]string(nil), values...)
			}
		}
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *keptWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if w.large = w.large || w.body.Len()+len(p) > maxKeptAnswer; !w.large {
		w.body.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

func (w *keptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *keptWriter) worthKeeping() bool {
	return w.status >= http.StatusOK && w.status < http.StatusMultipleChoices && !w.large
}
