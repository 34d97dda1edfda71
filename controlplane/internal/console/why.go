package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// maxReasons limits how many reasons and gates of a decision the page lists.
const maxReasons = 100

func (s *Service) whyRoutes() []web.Route {
	return []web.Route{{Pattern: "GET " + Root + "why", Query: parameters("id", "before"), Handler: s.why}}
}

// whyData is the data of the page why.
type whyData struct {
	ID      string // as it was entered
	Problem string // why no decision is shown, if an id was entered

	Found   bool
	Details aureus.DecisionDetails
	Version int64 // of the bundle that decided, if its text is kept; otherwise 0
	Line    int   // of the action in its text; 0 if it is unknown
	Matched []matchRow

	MoreMatched, MoreGates int // that are not listed

	story
}

// matchRow is a reason of the decision. Line is where its rule, its budget, or, for a
// fixed step, the action stands in the text; 0 if that is unknown.
type matchRow struct {
	aureus.RuleMatch

	Line int
}

// why answers GET why with the latest decisions, or with one: what was asked, the reasons,
// each with the line in the version of the bundle that decided, the approval, and what
// came of it.
func (s *Service) why(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	data := whyData{ID: queryText(r, "id")}
	status := http.StatusOK
	if data.ID != "" {
		if err := s.findDecision(r, c, &data); err != nil {
			e := web.ErrorOf(err)
			if e.Status() != http.StatusNotFound {
				return err
			}
			status, data.Problem = e.Status(), "There is no decision with this id in the audit log of this tenant. It may be in a part that was archived."
		}
	}
	if data.ID == "" {
		if err := s.addLatest(r, c, &data); err != nil {
			return err
		}
	}
	return s.show(w, r, status, "why", view{Title: "Decisions", Section: "why", Caller: c, Data: data})
}

func (s *Service) findDecision(r *http.Request, c web.Caller, data *whyData) error {
	var id aureus.DecisionID
	if id.UnmarshalText([]byte(data.ID)) != nil || id.IsZero() {
		return web.NotFound("decision")
	}
	details, err := s.Policy.Details(r.Context(), c, id)
	if err != nil {
		return err
	}
	data.MoreMatched, data.MoreGates = max(0, len(details.Matched)-maxReasons), max(0, len(details.GateResults)-maxReasons)
	details.GateResults = details.GateResults[:len(details.GateResults)-data.MoreGates]
	for _, m := range details.Matched[:len(details.Matched)-data.MoreMatched] {
		data.Matched = append(data.Matched, matchRow{RuleMatch: m})
	}
	data.Found, data.Details = true, details
	if err := s.addStory(r, c, data); err != nil {
		return err
	}
	return s.addLines(r, c, data)
}

// addLines finds the lines of the action and of the reasons in the version of the bundle
// that decided, if its text is kept and can be compiled.
func (s *Service) addLines(r *http.Request, c web.Caller, data *whyData) error {
	name, text, _ := strings.Cut(data.Details.Bundle, "/")
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return nil //nolint:nilerr // no bundle decided
	}
	stored, err := s.versionData(r.Context(), c, number)
	if e, ok := errors.AsType[*web.Error](err); ok && e.Status() == http.StatusNotFound || err == nil && stored.Name != name {
		return nil // a local decider had another bundle, or the text is no longer kept
	}
	if err != nil {
		return err
	}
	data.Version = stored.Version
	compiled, err := s.compiled(r, c, stored.Bundle)
	if _, isResponse := errors.AsType[*web.Error](err); isResponse || errors.Is(err, storage.ErrUnavailable) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // it cannot be compiled any more, such as without a signature; the text can be read all the same
	}
	for a := range compiled.EachAction() {
		if a.ID == data.Details.Action {
			data.Line = a.Line
			data.addSilent(compiled, a)
			break
		}
	}
	for i := range data.Matched {
		m := &data.Matched[i]
		if m.Line = compiled.Line(m.Rule); m.Line == 0 && m.ReasonCode != aureus.ReasonStopped {
			m.Line = data.Line
		}
	}
	return nil
}
