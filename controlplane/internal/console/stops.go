package console

import (
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/controlplane/internal/redact"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// maxSuggested limits how many actions the form to add a stop suggests.
const maxSuggested = 500

func (s *Service) stopsRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "stops", Handler: s.stops},
		{Pattern: "POST " + Root + "stops", Handler: s.addStop},
		{Pattern: "POST " + Root + "stops/lift", Handler: s.liftStop},
	}
}

// stopsData is the data of the page stops.
type stopsData struct {
	Stops   []storage.Stop
	Actions []string // of the bundle in force, as suggestions

	// What was entered, if it was refused, and why.
	Kind, Name, Reason, Problem string
}

// stops answers GET stops with the stops that hold and the form to add one.
func (s *Service) stops(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	return s.showStops(w, r, c, http.StatusOK, stopsData{})
}

func (s *Service) showStops(w http.ResponseWriter, r *http.Request, c web.Caller, status int, data stopsData) error {
	if err := s.Store.View(r.Context(), func(t storage.Tx) (err error) {
		data.Stops, err = t.Policies().Stops(c.Tenant)
		return err
	}); err != nil {
		return err
	}
	if current, err := s.Rules.For(r.Context(), c.Tenant); err == nil && current.Bundle() != nil { // without it, there are no suggestions
		for a := range current.Bundle().EachAction() {
			if len(data.Actions) == maxSuggested {
				break
			}
			data.Actions = append(data.Actions, a.ID)
		}
	}
	return s.show(w, r, status, "stops", view{Title: "Stops", Section: "stops", Caller: c, Data: data})
}

// addStop answers POST stops. If the stop is refused, the page shows what was entered.
func (s *Service) addStop(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	fields, err := s.readSessionForm(w, r, "kind", "name", "reason")
	if err != nil {
		return err
	}
	data := stopsData{Kind: fields["kind"], Name: strings.TrimSpace(fields["name"]), Reason: fields["reason"]}
	scope := data.Kind
	if scope != "all" {
		scope += ":" + data.Name
	}
	var stop storage.Stop
	if data.Kind == "all" && data.Name != "" {
		err = web.InvalidBody("/name", "must be empty, because everything was chosen: choose a principal or an action, or delete the name")
	} else {
		stop, err = s.Bundles.Stop(r.Context(), c, scope, data.Reason)
	}
	if err == nil {
		notice := "The stop " + scope + " holds now."
		if stop.Reason != redact.Visible(data.Reason) {
			notice = "The stop " + scope + " held already, so its earlier reason stays."
		}
		return s.done(w, r, Root+"stops", notice)
	}
	e := web.ErrorOf(err)
	if e.Status() != http.StatusUnprocessableEntity && e.Status() != http.StatusConflict {
		return err
	}
	data.Problem = e.Message()
	for _, field := range []string{"name", "reason"} {
		if text, ok := strings.CutPrefix(data.Problem, "/"+field+": "); ok {
			data.Problem = "the " + field + " " + text
		}
	}
	return s.showStops(w, r, c, e.Status(), data)
}

// liftStop answers POST stops/lift.
func (s *Service) liftStop(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	fields, err := s.readSessionForm(w, r, "scope")
	if err != nil {
		return err
	}
	if _, err := s.Bundles.Resume(r.Context(), c, fields["scope"]); err != nil {
		return err
	}
	return s.done(w, r, Root+"stops", "The stop "+fields["scope"]+" was lifted.")
}
