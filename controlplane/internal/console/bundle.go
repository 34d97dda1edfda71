package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard/policy"
)

const (
	// shownWeight is how many bytes of memory a page takes for each byte of a text that it
	// shows, and compileWeight how many compiling it takes.
	shownWeight   = 8
	compileWeight = 32
)

// bundleData is the data of the pages bundle and version.
type bundleData struct {
	storage.Bundle

	InForce  bool
	Previous int64  // the version before it, 0 if there is none
	Problem  string // why it cannot be used; empty if it can
	Stops    int
	Notes    []string
	Actions  []actionRow
	Lines    []string
}

// actionRow describes an action of the bundle.
type actionRow struct {
	policy.ActionInfo

	Tiers     []string // that it may have, the lowest first; open for an open action
	Asks      string   // when a person is asked
	Terms     []string // of an approval that differ from the default
	Requires  []string
	RuleLinks []ruleLink // rules and budgets
}

// ruleLink names a rule or a budget and its line in the text.
type ruleLink struct {
	ID   string
	Line int
	Note string
}

// bundle answers GET /console/ with the bundle in force.
func (s *Service) bundle(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	var data bundleData
	err := s.Store.View(r.Context(), func(t storage.Tx) error {
		stops, err := t.Policies().Stops(c.Tenant)
		if err != nil {
			return err
		}
		bundle, err := t.Policies().Bundle(c.Tenant)
		if errors.Is(err, storage.ErrNotFound) {
			err = nil
		}
		data = bundleData{Bundle: bundle, InForce: true, Stops: len(stops)}
		return err
	})
	if err != nil {
		return err
	}
	if data.Version == 0 {
		return s.show(w, r, http.StatusOK, "bundle", view{Title: "Policy", Section: "bundle", Caller: c, Data: data})
	}
	compiled, err := s.compiled(r, c, data.Bundle)
	switch {
	case errors.Is(err, storage.ErrUnavailable):
		return err
	case err != nil:
		data.Problem = err.Error()
	default:
		data.Notes, data.Actions = compiled.Notes(), actionRows(compiled)
	}
	return s.showText(w, r, c, "bundle", data)
}

// version answers GET versions/{version} with the text of one version.
func (s *Service) version(w http.ResponseWriter, r *http.Request, c web.Caller) error {
	number, err := strconv.ParseInt(r.PathValue("version"), 10, 64)
	if err != nil {
		return web.NotFound("version of the policy bundle")
	}
	data, err := s.versionData(r.Context(), c, number)
	if err != nil {
		return err
	}
	return s.showText(w, r, c, "version", data)
}

// versionData reads a version whose text is kept.
func (s *Service) versionData(ctx context.Context, c web.Caller, number int64) (data bundleData, err error) {
	err = s.Store.View(ctx, func(t storage.Tx) error {
		bundle, err := t.Policies().BundleVersion(c.Tenant, number)
		if err != nil {
			return err
		}
		newest, _, err := t.Policies().Bundles(c.Tenant, 0, 1)
		if err != nil {
			return err
		}
		earlier, _, err := t.Policies().Bundles(c.Tenant, number, 1)
		if err != nil {
			return err
		}
		data = bundleData{Bundle: bundle, InForce: len(newest) > 0 && newest[0].Version == number}
		if len(earlier) > 0 {
			data.Previous = earlier[0].Version
		}
		return nil
	})
	if errors.Is(err, storage.ErrNotFound) || err == nil && data.Text == nil {
		return data, web.NotFound("version of the policy bundle")
	}
	return data, err
}

func (s *Service) showText(w http.ResponseWriter, r *http.Request, c web.Caller, name string, data bundleData) error {
	if err := web.CapacityError(web.Account(r).Charge(shownWeight * int64(len(data.Text)))); err != nil {
		return err
	}
	data.Lines = linesOf(data.Text)
	title := data.Name + ", version " + strconv.FormatInt(data.Version, 10)
	return s.show(w, r, http.StatusOK, name, view{Title: title, Section: "bundle", Caller: c, Data: data})
}

// compiled returns the compiled bundle. That in force is in memory already.
func (s *Service) compiled(r *http.Request, c web.Caller, b storage.Bundle) (*policy.Bundle, error) {
	current, err := s.Rules.For(r.Context(), c.Tenant)
	if err == nil && current.Bundle() != nil && current.Bundle().Digest() == b.Digest {
		return current.Bundle(), nil
	}
	if errors.Is(err, storage.ErrUnavailable) {
		return nil, err
	}
	account := web.Account(r)
	if err := web.CapacityError(account.Charge(compileWeight * int64(len(b.Text)))); err != nil {
		return nil, err
	}
	if err := web.CapacityError(account.Work(r.Context())); err != nil {
		return nil, err
	}
	return s.Rules.Policies.Compile(b.Text, b.Signature)
}

// linesOf splits a text into its lines.
func linesOf(text []byte) []string {
	return strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
}

func actionRows(b *policy.Bundle) (rows []actionRow) {
	for _, a := range b.Actions() {
		row := actionRow{ActionInfo: a, Tiers: tiersOf(a), Asks: asksText(a), Terms: termTexts(a.Approval), Requires: requireTexts(a.Requires)}
		for _, id := range a.Rules {
			link := ruleLink{ID: id, Line: b.Line(id)}
			if slices.Contains(a.ShadowRules, id) {
				link.Note = "shadow"
			}
			row.RuleLinks = append(row.RuleLinks, link)
		}
		for _, id := range a.Budgets {
			row.RuleLinks = append(row.RuleLinks, ruleLink{ID: id, Line: b.Line(id), Note: "budget"})
		}
		rows = append(rows, row)
	}
	return rows
}

func tiersOf(a policy.ActionInfo) (words []string) {
	if a.Open {
		return []string{"open"}
	}
	for _, t := range []aureus.PolicyRiskTier{aureus.TierLow, aureus.TierMedium, aureus.TierHigh, aureus.TierCritical} {
		if t == a.Tier || slices.Contains(a.Tiers, t) {
			words = append(words, string(t))
		}
	}
	return words
}

func asksText(a policy.ActionInfo) string {
	switch {
	case a.NeedsPerson:
		return "always"
	case a.MayNeedPerson:
		return "if a condition asks"
	}
	return "never"
}

func termTexts(terms aureus.ApprovalTerms) (texts []string) {
	if terms.Quorum > 1 {
		texts = append(texts, strconv.Itoa(terms.Quorum)+" people")
	}
	if len(terms.Roles) > 0 {
		texts = append(texts, "role "+strings.Join(terms.Roles, " or "))
	}
	if terms.DecideWithin > 0 {
		texts = append(texts, "decide within "+durationOf(terms.DecideWithin))
	}
	if terms.UseWithin > 0 {
		texts = append(texts, "use within "+durationOf(terms.UseWithin))
	}
	return texts
}

func requireTexts(list []aureus.Permission) (texts []string) {
	for _, p := range list {
		text := p.Action + " on " + p.Resource
		if p.Intent != "" {
			text += ", intent " + string(p.Intent)
		}
		if p.DataZone != "" {
			text += ", zone " + string(p.DataZone)
		}
		texts = append(texts, text)
	}
	return texts
}
