package web

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

	"github.com/farmountain/aureus-go/controlplane/internal/fair"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	idempotencyHeader = "Idempotency-Key"
	replayedHeader    = "Idempotency-Replayed"

	maxIdempotencyKey = 255 // bytes
	// storeTimeout is how long storing a response may take.
	storeTimeout = 5 * time.Second
)

// ReplyStore is the part of storage.Store that stores responses.
type ReplyStore interface {
	storage.Transactions

	UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error
}

// replies holds the first successful response to each Idempotency-Key for
// storage.ReplyLife. A client that did not receive the response can repeat its
// request and gets the same response, without a second effect. A response of a route
// with ReplayDurable is also stored in the database before its first byte is sent
// (before its last byte if the handler flushes), and read again when the server opens.
//
// The change that a request makes and its response are stored in two transactions.
// If the process ends between them, the client has received nothing, and the handler
// serves the repeated request again, as if it had no Idempotency-Key. The handler also
// serves a repeated request again if the response could not be stored or was too large.
//
// It is safe for concurrent use. See docs/spec/contract.md#repeated-requests.
type replies struct {
	mu     sync.Mutex
	active map[replyScope]struct{} // scopes with a request that is being answered
	kept   map[replyScope]*storage.Reply
	ledger fair.Ledger[*storage.Reply] // the age, size and owner of those in kept
}

// replyScope is the hash of what a repeated request must have in common with the first
// one: the caller, the method, the path, the query and the Idempotency-Key. The key
// itself is not stored, because clients may put anything into it.
type replyScope = [sha256.Size]byte

// scopeOf returns the scope of a request whose Idempotency-Key is key.
func scopeOf(c Caller, r *http.Request, key string) replyScope {
	h := sha256.New()
	parts := []string{c.Tenant, c.KeyID, r.Method, r.URL.EscapedPath(), key}
	if r.URL.RawQuery != "" { // the query names the workflow in a request to cancel it
		parts = append(parts, r.URL.RawQuery)
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash never fails
	}
	return replyScope(h.Sum(nil))
}

// LoadReplies reads the stored responses into memory. Call it before the first request.
func (k *Kernel) LoadReplies(ctx context.Context) error {
	var stored []*storage.Reply
	err := k.config.Replies.View(ctx, func(t storage.Tx) error {
		stored = nil
		return t.Replies().Each(k.config.Now().Add(-storage.ReplyLife), func(reply storage.Reply) error {
			stored = append(stored, &reply)
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("reading the stored responses to requests with an Idempotency-Key: %w", err)
	}
	for _, reply := range stored {
		k.replies.keep(reply)
	}
	return nil
}

// pruneRepliesEvery is how often expired responses are deleted from the store.
const pruneRepliesEvery = time.Minute

// KeepPruningReplies calls PruneReplies every minute until ctx ends.
func (k *Kernel) KeepPruningReplies(ctx context.Context) {
	ticker := time.NewTicker(pruneRepliesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			k.PruneReplies(ctx)
		}
	}
}

// PruneReplies deletes the stored responses that have expired. An error is logged, and
// the next call tries again.
func (k *Kernel) PruneReplies(ctx context.Context) {
	err := storage.PruneReplies(ctx, k.config.Replies, k.config.Now().Add(-storage.ReplyLife))
	if err != nil && ctx.Err() == nil {
		k.config.Log.WarnContext(ctx, "deleting expired responses to requests with an Idempotency-Key failed; it is tried again in a minute", slog.Any("error", err))
	}
}

// replayOrServe sends the stored response if the request repeats an earlier one.
// Otherwise the handler of the route serves the request; if the request has an
// Idempotency-Key and the response is a success, the response is stored.
func (k *Kernel) replayOrServe(route Route, w http.ResponseWriter, r *http.Request, c Caller) error {
	values := r.Header.Values(idempotencyHeader)
	if len(values) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return route.Handler(w, r, c)
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Problem(http.StatusBadRequest, wire.CodeValidation, "there must be one Idempotency-Key, with 1 to 255 printable ASCII characters")
	}
	if route.Replay == ReplayNever {
		return route.Handler(w, r, c)
	}
	scope := scopeOf(c, r, key)
	first, begun := k.replies.begin(scope, k.config.Now())
	if first != nil {
		valid := true
		if route.Valid != nil {
			var err error
			if valid, err = route.Valid(r, c, first.Body); err != nil {
				return err
			}
		}
		if valid {
			return replay(w, r, first)
		}
		begun = k.replies.beginAgain(scope, first)
	}
	if !begun {
		return Problem(http.StatusConflict, wire.CodeInFlight, "a request with this Idempotency-Key is being answered",
			WithRemediation("Send the request again in a moment, with the same key."), WithRetryAfter(time.Second))
	}
	defer k.replies.end(scope) // also after an error or a panic, so that the client can try again

	body := hashed(r)
	buffered := &bufferedWriter{ResponseWriter: w, request: body}
	if err := route.Handler(buffered, r, c); err != nil {
		return err
	}
	if reply := buffered.stored(); reply != nil && !stateOf(r).skipReplay && body.finish() == nil {
		reply.Owner = fair.Owner{Tenant: c.Tenant, Key: c.KeyID}
		reply.Scope, reply.Request, reply.At = scope, body.sum(), k.config.Now()
		if route.Replay == ReplayDurable {
			k.store(r, reply)
		}
		k.replies.keep(reply)
	}
	_ = buffered.send() // it fails if the client has disconnected
	return nil
}

// store stores the response in the database. The request has already taken effect, so
// an error is only logged; the response is still sent and kept in memory.
func (k *Kernel) store(r *http.Request, reply *storage.Reply) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), storeTimeout)
	defer cancel()
	if err := k.config.Replies.UpdateSized(ctx, len(reply.Body), func(t storage.Tx) error { return t.Replies().Add(*reply) }); err != nil {
		Logger(r).WarnContext(ctx, "the response to a request with an Idempotency-Key could not be stored; after a restart the request would be served again", slog.Any("error", err))
	}
}

// replay sends the stored response first if the body of the request equals the body of
// the first request.
func replay(w http.ResponseWriter, r *http.Request, first *storage.Reply) error {
	body := hashed(r)
	if body.finish() != nil {
		_, err := ReadBody(r) // returns the error response for the body
		return err
	}
	if body.sum() != first.Request {
		return Problem(http.StatusUnprocessableEntity, wire.CodeKeyReused, "this Idempotency-Key was used with another body",
			WithRemediation("Use a new key for a new request."))
	}
	maps.Copy(w.Header(), first.Header)
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(first.Status)
	_, _ = w.Write(first.Body) // it fails if the client has disconnected
	return nil
}

// begin returns the stored response of the scope. If there is none, it marks the scope
// as being answered; begun is false if another request of the scope is being answered.
func (a *replies) begin(scope replyScope, now time.Time) (first *storage.Reply, begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		old, ok := a.ledger.Expire(now.Add(-storage.ReplyLife + 1))
		if !ok {
			break
		}
		a.forget(old)
	}
	if first := a.kept[scope]; first != nil && now.Sub(first.At) < storage.ReplyLife {
		return first, false
	}
	return nil, a.activate(scope)
}

// beginAgain drops old, a response that is no longer valid, and marks the scope as
// being answered. begun is false if another request of the scope is being answered, or
// has been answered in the meantime.
func (a *replies) beginAgain(scope replyScope, old *storage.Reply) (begun bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if first := a.kept[scope]; first != nil && first != old {
		return false
	}
	if !a.activate(scope) {
		return false
	}
	a.forget(old)
	return true
}

// activate marks the scope as being answered, and returns false if it already is. The
// caller holds mu.
func (a *replies) activate(scope replyScope) bool {
	if _, busy := a.active[scope]; busy {
		return false
	}
	if a.active == nil {
		a.active = make(map[replyScope]struct{})
	}
	a.active[scope] = struct{}{}
	return true
}

// end marks the scope as no longer being answered.
func (a *replies) end(scope replyScope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.active, scope)
}

// keep keeps a response in memory. If a limit is exceeded, it drops the oldest response
// of the key that has the most, within the tenant that has the most.
func (a *replies) keep(reply *storage.Reply) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept == nil {
		a.kept = make(map[replyScope]*storage.Reply)
	}
	a.kept[reply.Scope] = reply
	a.ledger.Add(reply.Owner, reply, int64(len(reply.Body)), reply.At)
	for {
		evicted, ok := a.ledger.Evict(fair.Bounds{Rows: storage.MaxReplies, Cost: storage.MaxReplyBytes})
		if !ok {
			return
		}
		a.forget(evicted)
	}
}

// forget removes a response, unless a newer one has replaced it. The caller holds mu.
func (a *replies) forget(reply *storage.Reply) {
	if a.kept[reply.Scope] == reply {
		delete(a.kept, reply.Scope)
	}
}
