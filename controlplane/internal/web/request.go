package web

import (
	"log/slog"
	"net/http"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

// requestState travels in the context of every request.
type requestState struct {
	id     string
	logger *slog.Logger // its lines carry the id
	keyID  string       // set by authenticate, for the log

	account  *governor.Account // what the request holds; nil before it is authenticated
	longWork bool              // processing the body has to wait for its turn

	skipReplay bool
}

type requestStateKey struct{}

func stateOf(r *http.Request) *requestState {
	state, ok := r.Context().Value(requestStateKey{}).(*requestState)
	if !ok {
		return &requestState{logger: slog.New(slog.DiscardHandler)}
	}
	return state
}

// Logger writes lines that carry the id of the request.
func Logger(r *http.Request) *slog.Logger { return stateOf(r).logger }

// Account is what the request holds of the memory and the slots that the governor
// gives out. The methods of an account may be called on nil, which is what a
// request has that is not authenticated.
func Account(r *http.Request) *governor.Account { return stateOf(r).account }

// SkipReplay says that the response need not be stored for the request's
// Idempotency-Key: a repeated request does nothing twice. A handler calls it
// before it returns.
func SkipReplay(r *http.Request) { stateOf(r).skipReplay = true }
