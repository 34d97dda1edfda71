package bundles

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/wire"
)

const maxReason = 4 << 10 // bytes of the reason of a stop

// stops answers GET stops.
func (s *Service) stops(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var list []storage.Stop
	if err := s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		list, err = t.Policies().Stops(c.Tenant)
		return err
	}); err != nil {
		return err
	}
	if notModified(w, r, storage.StopsDigest(list)) {
		return nil
	}
	stops := make([]aureus.PolicyStop, len(list))
	for i, stop := range list {
		stops[i] = stopOf(stop)
	}
	return web.WriteList(w, r, stops, "")
}

func stopOf(s storage.Stop) aureus.PolicyStop {
	return aureus.PolicyStop{Scope: s.Scope, Reason: s.Reason, By: s.By, At: aureus.TimestampOf(s.At)}
}

// stop answers PUT stops/{scope}. If the scope is stopped already, it answers with that
// stop.
func (s *Service) stop(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	scope, err := scopeOf(r)
	if err != nil {
		return err
	}
	var body wire.StopRequest
	if err := web.ReadJSON(r, &body); err != nil {
		return err
	}
	after, err := s.Stop(r.Context(), c, scope, body.Reason)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, stopOf(after))
	return nil
}

// Stop adds a stop for the tenant of the caller, and returns the one that holds: if the
// scope was stopped already, that is the earlier one. The caller must have the role
// operator. It returns an error response for an invalid scope or reason.
func (s *Service) Stop(ctx context.Context, c web.Caller, scope, reason string) (after storage.Stop, err error) {
	if problem := scopeProblem(scope); problem != "" {
		return after, badScope(problem)
	}
	switch {
	case strings.TrimSpace(reason) == "":
		return after, web.InvalidBody("/reason", "is required: whoever is stopped reads it")
	case len(reason) > maxReason:
		return after, web.InvalidBody("/reason", fmt.Sprintf("must not be longer than %d bytes", maxReason))
	}
	stop := storage.Stop{Tenant: c.Tenant, Scope: scope, Reason: redact.Visible(reason), By: c.Subject, KeyID: c.KeyID, At: s.Now()}
	err = s.Store.Update(ctx, func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		if _, err := t.Policies().Stop(stop); err != nil {
			return err
		}
		found, err := findStop(t, c.Tenant, scope)
		after = found
		return err
	})
	if errors.Is(err, storage.ErrTooManyStops) {
		return after, web.Problem(http.StatusConflict, wire.CodeExhausted, fmt.Sprintf("the tenant has %d stops already", storage.MaxStops),
			web.WithRemediation("Remove some, or stop with one scope that ends in *."))
	}
	if err == nil {
		s.Rules.Changed(c.Tenant)
	}
	return after, err
}

// resume answers DELETE stops/{scope} with the stop that it removed.
func (s *Service) resume(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	scope, err := scopeOf(r)
	if err != nil {
		return err
	}
	removed, err := s.Resume(r.Context(), c, scope)
	if err != nil {
		return err
	}
	web.WriteJSON(w, http.StatusOK, stopOf(removed))
	return nil
}

// Resume removes the stop with exactly this scope and returns it. The caller must have
// the role operator. If there is none, it returns the error response with status 404.
func (s *Service) Resume(ctx context.Context, c web.Caller, scope string) (removed storage.Stop, err error) {
	err = s.Store.Update(ctx, func(t storage.Tx) error {
		if err := web.CheckKey(t, c); err != nil {
			return err
		}
		found, err := findStop(t, c.Tenant, scope)
		if err != nil {
			return err
		}
		removed = found
		return t.Policies().Resume(c.Tenant, s.Now(), c.Actor(), scope)
	})
	if errors.Is(err, storage.ErrNotFound) {
		return removed, web.NotFound("stop")
	}
	if err == nil {
		s.Rules.Changed(c.Tenant)
	}
	return removed, err
}

func findStop(t storage.Tx, tenant, scope string) (storage.Stop, error) {
	list, err := t.Policies().Stops(tenant)
	if err != nil {
		return storage.Stop{}, err
	}
	i := slices.IndexFunc(list, func(s storage.Stop) bool { return s.Scope == scope })
	if i < 0 {
		return storage.Stop{}, storage.ErrNotFound
	}
	return list[i], nil
}

// scopeOf returns the scope in the path.
func scopeOf(r *http.Request) (string, error) {
	scope := r.PathValue("scope")
	if problem := scopeProblem(scope); problem != "" {
		return "", badScope(problem)
	}
	return scope, nil
}

func badScope(problem string) error {
	return web.Problem(http.StatusUnprocessableEntity, wire.CodeValidation, "the scope "+problem,
		web.WithRemediation("Use all, principal:ID or action:ID, where ID may end in *."))
}

func scopeProblem(scope string) string {
	if scope == "all" {
		return ""
	}
	kind, id, ok := strings.Cut(scope, ":")
	switch {
	case !ok, kind != "principal" && kind != "action":
		return "must be all, principal:ID or action:ID"
	case id == "":
		return "has no ID after the colon"
	case strings.Contains(strings.TrimSuffix(id, "*"), "*"):
		return "has a * that is not its last character"
	}
	return nametext.Identifier(id)
}
