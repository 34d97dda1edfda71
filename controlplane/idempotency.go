package controlplane

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"

	maxIdempotencyKey = 255
	// maxPersisting is how long an answer waits to be written to the disk.
	maxPersisting = 5 * time.Second
	// judging is the path whose answers stay in memory: they may quote the data
	// that was judged, which is written nowhere, and judging it again does no
	// harm.
	judging = "POST /api/v1/crv/validate"
)

// answers keeps the first answer to each Idempotency-Key for
// telemetry.AnswerLife, so that a client that did not hear it can ask again
// without doing anything twice. What it keeps is in the telemetry store as well,
// written before the first byte of the answer goes out (of one that is flushed:
// before its last), and read from there when the server is opened: a repeated
// request gets its answer after the end of the process in any form too. What a
// gate has found is the exception, see judging.
//
// The change and its answer are not one transaction, and one window remains.
// Where the process ends after the change was committed and before its answer
// was, the client has heard nothing, and the repeated request is a new one. The
// same goes for an answer that could not be written, for one that the power
// failed on (synchronous=NORMAL), and for one that is too large to be kept. What
// a new one does then is what the path does without a key: it finds the approval
// that is there, or decided or spent, registers the same validator once more,
// stores the telemetry a second time.
//
// It is safe for concurrent use.
type answers struct {
	mu       sync.Mutex
	underWay map[answerScope]struct{}
	kept     map[answerScope]*telemetry.Answer
	ledger   fair.Ledger[*telemetry.Answer] // of those kept
}

// answerScope is the hash of what a key stands for: the same text of another
// caller, on another path, or with another query, is another key. The text may be telling, and is
// kept nowhere.
type answerScope = [sha256.Size]byte

func scopeOf(c caller, r *http.Request, key string) answerScope {
	h := sha256.New()
	parts := []string{c.tenant, c.keyID, r.Method, r.URL.EscapedPath(), key}
	if r.URL.RawQuery != "" { // it may say whose workflow is cancelled
		parts = append(parts, r.URL.RawQuery)
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash takes everything
	}
	return answerScope(h.Sum(nil))
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
		return problem(http.StatusBadRequest, wire.CodeValidation, "the Idempotency-Key must be one text of 1 to 255 printable ASCII characters")
	}
	scope := scopeOf(c, r, key)
	first, begun := s.answers.begin(scope, s.config.Now())
	if first != nil {
		stands, err := s.stillStands(r, c, first)
		if err != nil {
			return err
		}
		if stands {
			return replay(w, r, first)
		}
		begun = s.answers.beginAnew(scope, first)
	}
	if !begun {
		return problem(http.StatusConflict, wire.CodeInFlight, "a request with this Idempotency-Key is under way",
			withRemediation("Ask again in a moment, with the same key."), withRetryAfter(time.Second))
	}
	defer s.answers.end(scope) // after an error, a panic, or an answer that is not kept: whoever asks again may try again

	body := hashed(r)
	kept := &keptWriter{ResponseWriter: w, request: body}
	if err := serve(kept, r, c); err != nil {
		return err
	}
	if answer := kept.answer(); answer != nil && !infoOf(r).repeatable && body.finish() == nil {
		answer.Owner = fair.Owner{Tenant: c.tenant, Key: c.keyID}
		answer.Scope, answer.Request, answer.At = scope, body.sum(), s.config.Now()
		if r.Pattern != judging {
			s.persist(r, answer)
		}
		s.answers.keep(answer)
	}
	_ = kept.send() // a client that is gone does not hear of it
	return nil
}

// persist writes the answer to the disk. Where that fails, what the answer tells
// of has happened all the same: it is given, and kept in memory.
func (s *Server) persist(r *http.Request, answer *telemetry.Answer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxPersisting)
	defer cancel()
	if err := s.telemetry.KeepAnswer(ctx, *answer); err != nil {
		s.logger(r).WarnContext(ctx, "an answer to a request with an Idempotency-Key could not be written; it would be forgotten at a restart", slog.Any("error", err))
	}
}

// loadAnswers reads what an earlier process has kept.
func (s *Server) loadAnswers(ctx context.Context) error {
	for answer, err := range s.telemetry.Answers(ctx, s.config.Now().Add(-telemetry.AnswerLife)) {
		if err != nil {
			return fmt.Errorf("controlplane: reading the answers kept for Idempotency-Keys: %w", err)
		}
		s.answers.keep(&answer)
	}
	return nil
}

// The answers that say that an approval was used. They stand only while it is
// reserved for their decision: see stillStands.
const (
	evaluating = "POST /api/v1/policy/evaluate"
	consuming  = "POST /api/v1/policy/approvals/{id}/consume"
)

// stillStands reports whether a first answer may be given again. One that rests on
// an approval may only while that is reserved for its decision. Where the approval
// was given back, or committed by the outcome, where its time is over or one of its
// keys was revoked, the request is a new one: the answer given again would allow
// what was allowed once a second time.
func (s *Server) stillStands(r *http.Request, c caller, first *telemetry.Answer) (stands bool, err error) {
	var id string
	var decision aureus.DecisionID
	switch r.Pattern {
	case evaluating:
		var told aureus.GuardDecision
		if err := strictjson.Unmarshal(first.Body, &told); err != nil {
			return false, fmt.Errorf("reading a first answer: %w", err)
		}
		if told.Approval == nil {
			return false, nil
		}
		id, decision = told.Approval.ID, told.DecisionID
	case consuming:
		var told aureus.Approval
		if err := strictjson.Unmarshal(first.Body, &told); err != nil {
			return false, fmt.Errorf("reading a first answer: %w", err)
		}
		id, decision = told.ID, told.ConsumedBy
	default:
		return true, nil
	}
	err = s.db.View(r.Context(), func(t storage.Tx) (err error) {
		stands, err = t.Approvals().Reserved(c.tenant, s.config.Now(), id, decision)
		return err
	})
	return stands, err
}

// replay gives a first answer again, to the same request.
func replay(w http.ResponseWriter, r *http.Request, first *telemetry.Answer) error {
	body := hashed(r)
	if body.finish() != nil {
		_, err := readBody(r) // says what is wrong with it
		return err
	}
	if body.sum() != first.Request {
		return problem(http.StatusUnprocessableEntity, wire.CodeKeyReused, "this Idempotency-Key was used for another body",
			withRemediation("Use a new key for a new request."))
	}
	maps.Copy(w.Header(), first.Header)
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(first.Status)
	_, _ = w.Write(first.Body) // a client that is gone does not hear of it
	return nil
}

// begin gives the first answer of the scope, or else notes that its first
// request is under way, and says whether it could: only one is at a time.
func (a *answers) begin(scope answerScope, now time.Time) (first *telemetry.Answer, begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		old, ok := a.ledger.Expire(now.Add(-telemetry.AnswerLife + 1))
		if !ok {
			break
		}
		a.forget(old)
	}
	if first := a.kept[scope]; first != nil && !expired(first, now) {
		return first, false
	}
	if _, busy := a.underWay[scope]; busy {
		return nil, false
	}
	if a.underWay == nil {
		a.underWay = make(map[answerScope]struct{})
	}
	a.underWay[scope] = struct{}{}
	return nil, true
}

func expired(answer *telemetry.Answer, now time.Time) bool {
	return now.Sub(answer.At) >= telemetry.AnswerLife
}

// beginAnew forgets an answer that no longer stands, and notes that its request is
// under way, unless another one is or has been answered since.
func (a *answers) beginAnew(scope answerScope, old *telemetry.Answer) (begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if first := a.kept[scope]; first != nil && first != old {
		return false
	}
	if _, busy := a.underWay[scope]; busy {
		return false
	}
	a.forget(old)
	if a.underWay == nil {
		a.underWay = make(map[answerScope]struct{})
	}
	a.underWay[scope] = struct{}{}
	return true
}

// end notes that the request of the scope is under way no more.
func (a *answers) end(scope answerScope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.underWay, scope)
}

// keep keeps an answer, within the bounds that the store has for them. Where
// there are too many, those of the key that has most go first, in the tenant that
// has most.
func (a *answers) keep(answer *telemetry.Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = make(map[answerScope]*telemetry.Answer)
	}
	a.kept[answer.Scope] = answer
	a.ledger.Add(answer.Owner, answer, int64(len(answer.Body)), answer.At)
	for {
		evicted, ok := a.ledger.Evict(fair.Bounds{Rows: telemetry.MaxAnswers, Cost: telemetry.MaxAnswerBytes})
		if !ok {
			return
		}
		a.forget(evicted)
	}
}

func (a *answers) forget(answer *telemetry.Answer) {
	if a.kept[answer.Scope] == answer { // and not one that came in its place
		delete(a.kept, answer.Scope)
	}
}
