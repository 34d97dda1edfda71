package web

import (
	"log/slog"
	"net/http"

	"github.com/farmountain/aureus-go/controlplane/internal/governor"
)

// requestState is the state of one request. It is in the context of the request.
type requestState struct {
	id     string
	logger *slog.Logger // adds the id to each line
	keyID  string       // set by authenticate, for the log

	account  *governor.Account // nil before the request is authenticated
	longWork bool              // ReadBody waits for a processor, see Route.LongWork

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

// RequestID returns the id of the request, which is in the log too.
func RequestID(r *http.Request) string { return stateOf(r).id }

// Logger returns a logger that adds the id of the request to each line.
func Logger(r *http.Request) *slog.Logger { return stateOf(r).logger }

// Account returns the account of the memory and slots that the request uses. It is nil
// for a request that is not authenticated; the methods of an account accept nil.
func Account(r *http.Request) *governor.Account { return stateOf(r).account }

// SkipReplay prevents the response from being stored under the request's
// Idempotency-Key. A handler calls it before it returns, if serving the request again
// has no second effect.
func SkipReplay(r *http.Request) { stateOf(r).skipReplay = true }
