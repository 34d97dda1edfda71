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
	// maxStoring is how long storing a response may take.
	maxStoring = 5 * time.Second
)

// ReplyStore stores responses beyond the end of the process. It is the part of
// storage.Store that this needs.
type ReplyStore interface {
	storage.Transactions

	UpdateSized(ctx context.Context, bytes int, fn func(storage.Tx) error) error
}

// replies holds the first response to each Idempotency-Key for
// storage.ReplyLife, so that a client that did not receive it can repeat its
// request without doing anything twice. A response of a route with ReplayDurable
// is stored before its first byte is sent (one that is flushed: before its last),
// and read again when the server is opened.
//
// The change and its response are not one transaction. Where the process ends
// after the change was committed and before its response was, the client has
// received nothing and a repeated request is served anew. The same holds for a
// response that could not be stored and for one that is too large. Served anew, a
// request does what the path does without a key: it finds the approval that is
// there, or decided or spent, registers the same validator once more, or stores
// the telemetry a second time.
//
// It is safe for concurrent use. See docs/spec/contract.md#repeated-requests.
type replies struct {
	mu     sync.Mutex
	active map[replyScope]struct{} // requests being answered
	kept   map[replyScope]*storage.Reply
	ledger fair.Ledger[*storage.Reply] // of those in kept
}

// replyScope is the hash of everything that tells one use of a key from another:
// the caller, the method, the path, the query and the key. The key itself, which
// may hold anything, is not kept.
type replyScope = [sha256.Size]byte

func scopeOf(c Caller, r *http.Request, key string) replyScope {
	h := sha256.New()
	parts := []string{c.Tenant, c.KeyID, r.Method, r.URL.EscapedPath(), key}
	if r.URL.RawQuery != "" { // it may say whose workflow is cancelled
		parts = append(parts, r.URL.RawQuery)
	}
	for _, part := range parts {
		_, _ = fmt.Fprintf(h, "%d:%s", len(part), part) // a hash never fails
	}
	return replyScope(h.Sum(nil))
}

// LoadReplies reads the responses that an earlier process has stored.
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

// PruneReplies deletes the stored responses that have expired. An error is logged:
// the next time tries again.
func (k *Kernel) PruneReplies(ctx context.Context) {
	err := storage.PruneReplies(ctx, k.config.Replies, k.config.Now().Add(-storage.ReplyLife))
	if err != nil && ctx.Err() == nil {
		k.config.Log.WarnContext(ctx, "expired responses to requests with an Idempotency-Key could not be deleted; the next try is in a minute", slog.Any("error", err))
	}
}

// replayOrServe answers a request that repeats an earlier one with the stored
// response. Any other request is served by the handler, and its response is stored
// if it is a success and the request has an Idempotency-Key.
func (k *Kernel) replayOrServe(route Route, w http.ResponseWriter, r *http.Request, c Caller) error {
	values := r.Header.Values(idempotencyHeader)
	if len(values) == 0 || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return route.Handler(w, r, c)
	}
	key := values[0]
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r > '~' }) {
		return Problem(http.StatusBadRequest, wire.CodeValidation, "the Idempotency-Key must be one text of 1 to 255 printable ASCII characters")
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
			WithRemediation("Ask again in a moment, with the same key."), WithRetryAfter(time.Second))
	}
	defer k.replies.end(scope) // also after an error or a panic: the client may try again

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
	_ = buffered.send() // fails where the client is gone
	return nil
}

// store stores the response. The request has taken effect already, so an error is
// only logged: the response is sent, and kept in memory.
func (k *Kernel) store(r *http.Request, reply *storage.Reply) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), maxStoring)
	defer cancel()
	if err := k.config.Replies.UpdateSized(ctx, len(reply.Body), func(t storage.Tx) error { return t.Replies().Add(*reply) }); err != nil {
		Logger(r).WarnContext(ctx, "the response to a request with an Idempotency-Key could not be stored; a restart would forget it", slog.Any("error", err))
	}
}

// replay sends a stored response if the body of the request is the same as then.
func replay(w http.ResponseWriter, r *http.Request, first *storage.Reply) error {
	body := hashed(r)
	if body.finish() != nil {
		_, err := ReadBody(r) // the answer for what is wrong with the body
		return err
	}
	if body.sum() != first.Request {
		return Problem(http.StatusUnprocessableEntity, wire.CodeKeyReused, "this Idempotency-Key was used for another body",
			WithRemediation("Use a new key for a new request."))
	}
	maps.Copy(w.Header(), first.Header)
	w.Header().Set(replayedHeader, "true")
	w.WriteHeader(first.Status)
	_, _ = w.Write(first.Body) // fails where the client is gone
	return nil
}

// begin returns the stored response of the scope. Where there is none, it marks
// the request as being answered, and reports false if another one is already.
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

// beginAgain forgets a response that is no longer valid and marks its request as
// being answered. It reports false if another request is, or has been answered
// meanwhile.
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

// activate marks the scope as being answered, and reports false if it already
// was. The caller holds mu.
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

// end marks the scope as answered.
func (a *replies) end(scope replyScope) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.active, scope)
}

// keep keeps a response in memory, within the limits that the store has. Where
// there are too many, the oldest of the key that has most in the tenant that has
// most are forgotten.
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

// forget removes a response, unless another one has taken its place. The caller
// holds mu.
func (a *replies) forget(reply *storage.Reply) {
	if a.kept[reply.Scope] == reply {
		delete(a.kept, reply.Scope)
	}
}
