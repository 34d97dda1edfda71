package policy

import (
	"errors"
	"fmt"

	"github.com/farmountain/aureus-go/guard"
)

// ErrVersion matches the error of [Engine.Replace] for a bundle that must not replace the
// one in force.
var ErrVersion = errors.New("the bundle does not replace the one in force")

// Replace replaces the bundle in force. It refuses a bundle of another name, a lower
// version, and the same version with another text; to go back, give the old text a new
// version. The bundle in force itself is accepted: it then counts as confirmed for its
// max_age. Decisions that have begun end by the old bundle. The notes of a new bundle are
// logged, as by [New].
func (e *Engine) Replace(bundle *Bundle) error {
	replaced, err := e.replace(bundle)
	if replaced {
		logNotes(e.config.Logger, bundle)
	}
	return err
}

// replace is Replace without lines in the log. It reports whether another bundle is in
// force now.
func (e *Engine) replace(bundle *Bundle) (replaced bool, err error) {
	if e == nil || e.state.Load() == nil {
		return false, errNoEngine
	}
	if !bundle.compiled() {
		return false, errNoBundle
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	now := e.state.Load()
	old := now.bundle
	switch {
	case bundle.name != old.name:
		return false, fmt.Errorf("policy: %w: its name is %q instead of %q", ErrVersion, bundle.name, old.name)
	case bundle.version < old.version:
		return false, fmt.Errorf("policy: %w: version %d is lower than %d; give it a version above %d", ErrVersion, bundle.version, old.version, old.version)
	case bundle.version == old.version && bundle.digest != old.digest:
		return false, fmt.Errorf("policy: %w: version %d is in force with another text; give it a version above %d", ErrVersion, bundle.version, old.version)
	}
	e.heard.Store(e.now().UnixNano())
	if bundle.digest == old.digest {
		return false, nil
	}
	e.state.Store(&state{bundle: bundle, stops: now.stops})
	return true, nil
}

// SetStops replaces all stops. It applies to every decision that begins afterwards.
func (e *Engine) SetStops(list []Stop) {
	if e == nil || e.state.Load() == nil {
		return
	}
	e.writing.Lock()
	defer e.writing.Unlock()
	e.state.Store(&state{bundle: e.state.Load().bundle, stops: newStops(list)})
}

// Bundle returns the bundle in force; nil for a nil or zero Engine.
func (e *Engine) Bundle() *Bundle {
	if e == nil {
		return nil
	}
	if s := e.state.Load(); s != nil {
		return s.bundle
	}
	return nil
}

// Routes returns the routes of the bundle in force; see [Bundle.Routes].
func (e *Engine) Routes() []guard.Route {
	if b := e.Bundle(); b != nil {
		return b.Routes()
	}
	return nil
}
