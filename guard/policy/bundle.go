package policy

import (
	"bytes"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
)

// Bundle is a compiled policy bundle. It never changes and is safe for concurrent use.
// [Parse] makes one; the zero value is not a bundle, and no engine takes it.
type Bundle struct {
	text    []byte
	digest  aureus.Digest
	name    string
	version int64
	label   string // name/version
	maxAge  time.Duration
	size    int64 // bytes of memory
	phrases phrases

	roles    []role
	exact    map[string]*subject // principals by their whole name
	prefixes map[string]*subject // principals by the beginning of their name
	lengths  []int               // of the keys of prefixes, the longest first
	assigned []assignment

	actions map[string]*action
	order   []*action // in the order of the text
	routes  map[string]*action
	tools   map[string]*action

	// undefined is the policy version of decisions about actions that are not listed.
	undefined string

	params      map[string]any
	largeParams bool // whether comparing them takes long
	answers     [tiers]aureus.Effect
	byTier      [tiers]answer // the same, with their reasons
	lastAllow   time.Duration // how old a last known allow of tier low may be; 0: refuse
	rules       []*rule
	budgets     []*budget
	tests       []test
	table       []guard.Route
	unchecked   int  // uses of conditions whose types were not compared with a schema, because there are too many
	untested    bool // its tests were not run, so that no engine may take it
}

// Name is the name of the bundle.
func (b *Bundle) Name() string { return b.name }

// Version is the version of the bundle, which grows with every change.
func (b *Bundle) Version() int64 { return b.version }

// Digest is the SHA-256 of the text.
func (b *Bundle) Digest() aureus.Digest { return b.digest }

// Text returns a copy of the text that was compiled.
func (b *Bundle) Text() []byte { return bytes.Clone(b.text) }

// MaxAge is how long a decider may use the bundle after it has heard that it is still in
// force; 0 means without a bound.
func (b *Bundle) MaxAge() time.Duration { return b.maxAge }

// LastAllow is how old the last known allow of a request of tier low may be to be used
// while the decider cannot be asked; 0 means that it must not be used.
func (b *Bundle) LastAllow() time.Duration { return b.lastAllow }

// phrases are the beginnings of common reasons, made once because denials are frequent.
type phrases struct{ noAction, noRoute, noTool, noPrincipal string }

func phrasesOf(label string) phrases {
	return phrases{
		noAction:    "the bundle " + label + " does not list the action ",
		noRoute:     "the bundle " + label + " binds no action to the route ",
		noTool:      "the bundle " + label + " binds no action to the tool ",
		noPrincipal: "the bundle " + label + " does not know the principal ",
	}
}
