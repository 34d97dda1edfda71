package console

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/guard/policy"
)

const (
	// compileWeight is how many bytes of memory compiling a bundle takes for each byte of
	// its text.
	compileWeight = 32
	maxNotes      = 50 // notes of a bundle on its page
)

func (s *Service) bundleRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET " + Root + "policy", Query: parameters("q", "from", "line"), Handler: s.bundle},
		{Pattern: "GET " + Root + "versions/{version}", Query: parameters("line"), Handler: s.version},
	}
}

// bundleData is the data of the pages bundle and version.
type bundleData struct {
	storage.Bundle

	InForce   bool
	Previous  int64  // the version before it, 0 if there is none
	Problem   string // why it cannot be used; empty if it can
	Stops     int
	Notes     []string
	MoreNotes int
	Actions   actionTable
	Lines     textPart
}

// bundle answers GET policy with the bundle in force.
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
		return s.show(w, r, http.StatusOK, "bundle", view{Title: "Policy", Section: "policy", Caller: c, Data: data})
	}
	compiled, err := s.compiled(r, c, data.Bundle)
	switch e, isResponse := errors.AsType[*web.Error](err); {
	case isResponse:
		return e
	case errors.Is(err, storage.ErrUnavailable):
		return err
	case err != nil:
		data.Problem = err.Error()
	default:
		if err := s.addActions(r, compiled, &data); err != nil {
			return err
		}
	}
	return s.showText(w, r, c, "bundle", data)
}

// addActions adds the notes and the actions of the bundle. A large bundle takes long, so
// that waits for its turn.
func (s *Service) addActions(r *http.Request, b *policy.Bundle, data *bundleData) (err error) {
	if err := web.CapacityError(web.Account(r).Charge(int64(len(data.Text)))); err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Work(r.Context())); err != nil {
		return err
	}
	data.Notes = b.Notes()
	data.MoreNotes = max(0, len(data.Notes)-maxNotes)
	data.Notes = data.Notes[:len(data.Notes)-data.MoreNotes]
	data.Actions, err = actionsIn(r, b)
	return err
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

// showText writes a page with the part of the text that the query of the request selects.
func (s *Service) showText(w http.ResponseWriter, r *http.Request, c web.Caller, name string, data bundleData) error {
	line, err := numberIn(r, "line")
	if err != nil {
		return err
	}
	if err := web.CapacityError(web.Account(r).Charge(2 * maxTextBytes)); err != nil {
		return err
	}
	data.Lines = partOf(data.Text, line)
	title := data.Name + ", version " + strconv.FormatInt(data.Version, 10)
	return s.show(w, r, http.StatusOK, name, view{Title: title, Section: "policy", Caller: c, Data: data})
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
