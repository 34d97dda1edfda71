package middleware

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/idtext"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// pollAfter is the Retry-After of an approval that nobody has decided yet.
const pollAfter = 5 * time.Second

// ApprovalStatus returns a handler at which a caller polls for the approval that its request
// needs, so that callers need no access to the control plane. Mount it under a pattern with the
// wildcard {id}:
//
//	mux.Handle("GET /approvals/{id}", middleware.ApprovalStatus(client, identify))
//
// It responds to GET and HEAD with the id, the status, the times until when the approval may be
// decided and used, and what to do next; Retry-After is set while nobody has decided. It shows
// neither the request nor who decides. identify returns the principal, as in [EnforceRoutes].
// Only the principal that asked gets a response: for every other one, and for an id that does
// not exist, it is 404. If the approval cannot be looked up, it is 503.
//
// The handler identifies its callers itself, so its route may be open in the table of
// [EnforceRoutes]. If the mux that EnforceRoutes protects has this handler on a route of the
// table, its path is the URL in the responses of the guard, unless [Options].ApprovalURL is set.
// The URL is then a path, which counts from the host of the request; if a proxy or
// [http.StripPrefix] changes the path, set ApprovalURL. approvals is an [aureus.Client], or
// anything else that finds approvals. The Options are those of the guard; Challenge, Refusal and
// Logger count. ApprovalStatus panics if approvals or identify is nil or the Options are invalid.
func ApprovalStatus(approvals interface {
	Approval(ctx context.Context, id string) (aureus.Approval, error)
}, identify func(*http.Request) (aureus.Principal, error), options ...Options,
) http.Handler {
	if approvals == nil {
		panic("middleware: ApprovalStatus: approvals is nil")
	}
	if identify == nil {
		panic("middleware: ApprovalStatus: identify is nil, and the principal has no default")
	}
	return &approvalStatus{Options: newOptions(options), find: approvals.Approval, identify: identify}
}

// approvalStatus is the handler of ApprovalStatus.
type approvalStatus struct {
	Options

	find     func(ctx context.Context, id string) (aureus.Approval, error)
	identify func(*http.Request) (aureus.Principal, error)
}

// statusResponse is the body of the response.
type statusResponse struct {
	ID        string                `json:"id"`
	Status    aureus.ApprovalStatus `json:"status"`
	ExpiresAt aureus.Timestamp      `json:"expires_at"`
	DecideBy  aureus.Timestamp      `json:"decide_by,omitzero"`
	UseBy     aureus.Timestamp      `json:"use_by,omitzero"`
	Next      string                `json:"next"` // what to do, for people and agents
}

// nextSteps says what a caller does about an approval in each status.
var nextSteps = map[aureus.ApprovalStatus]string{
	aureus.ApprovalPending:  "Wait, and ask again after the time in Retry-After.",
	aureus.ApprovalApproved: "Before expires_at, send the same request again, unchanged, with this id in " + ApprovalHeader + ". It passes once.",
	aureus.ApprovalRejected: "A person has rejected the request. Do not send it again.",
	aureus.ApprovalExpired:  "The time to decide or to use it is over. Send the request again, without this id, if it is still needed; a person is asked again.",
	aureus.ApprovalConsumed: "The approval was used. Sending the request again needs another approval.",
}

// ServeHTTP implements [http.Handler].
func (s *approvalStatus) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	found, err := s.look(r)
	if err != nil {
		p := s.problemOf(err)
		if p == nil {
			p = undecided(err)
		}
		if p.Status == http.StatusServiceUnavailable && s.Logger != nil {
			s.Logger.WarnContext(context.WithoutCancel(r.Context()), "the status of an approval could not be looked up", "error", err)
		}
		s.write(w, r, p)
		return
	}
	text, err := strictjson.MarshalText(statusResponse{
		ID: found.ID, Status: found.Status, ExpiresAt: found.ExpiresAt, DecideBy: found.DecideBy, UseBy: found.UseBy, Next: nextSteps[found.Status],
	})
	if err != nil { // cannot happen: every field has a JSON form
		s.write(w, r, undecided(err))
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if found.Status == aureus.ApprovalPending {
		setRetryAfter(h, pollAfter)
	}
	_, _ = w.Write(append(text, '\n')) // an error means that the client has gone
}

// look returns the approval that the request asks for, if the caller may see it.
func (s *approvalStatus) look(r *http.Request) (found aureus.Approval, err error) {
	who, err := s.identify(r)
	if err == nil && who.ID == "" {
		err = ErrNoIdentity
	}
	if err != nil {
		return found, err
	}
	id := r.PathValue("id")
	if id == "" {
		id = path.Base(r.URL.Path)
	}
	if !idtext.IsApproval(id) {
		return found, errNoSuchApproval
	}
	found, err = s.find(r.Context(), id)
	switch {
	case errors.Is(err, aureus.ReasonApprovalUnknown.Err()):
		return found, errNoSuchApproval
	case err != nil:
		return found, err
	case found.ID != id || found.Principal.ID != who.ID:
		return found, errNoSuchApproval
	case nextSteps[found.Status] == "":
		return found, errors.New("middleware: the approval has an unknown status")
	}
	return found, nil
}

var errNoSuchApproval = errors.New("middleware: there is no such approval for this principal")

// statusPath returns the path at which the mux serves the status of that approval, or "".
func (g *guarded) statusPath(id string) string {
	for _, route := range g.table.current().routes {
		before, after, found := strings.Cut(splitPattern(route.Pattern).rest, "{id}")
		if !found || !strings.HasPrefix(before, "/") || strings.Contains(before+after, "{") {
			continue
		}
		at, err := url.Parse(before + id + after) // a pattern is escaped, as a URL is
		if err != nil || at.Host != "" {
			continue
		}
		handler, _ := g.routes.mux.Handler(&http.Request{Method: http.MethodGet, URL: at})
		if _, ok := handler.(*approvalStatus); ok {
			return at.EscapedPath()
		}
	}
	return ""
}
