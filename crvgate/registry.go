package crvgate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/internal/nametext"
)

// The bounds of a [Registry].
const (
	MaxValidators   = 10_000  // registered at once, built-ins not counted
	MaxConfigBytes  = 1 << 20 // of one configuration
	MaxIDBytes      = 256     // of a validator's id
	MaxGateLength   = 1_000   // validators named by one gate of the wire
	MaxTestsPerRule = 100     // in one configuration
)

// Registry holds validators under the names by which the wire asks for them
// (SPEC 4.4, 4.6). The zero value is ready for use and knows the built-ins:
// not_null, monotonic, temporal_monotonic, memory_encryption, memory_policy,
// schema_check and balance_positive. It is safe for concurrent use and must not
// be copied.
//
// A gate of the wire and a [Gate] in Go decide by the same code.
type Registry struct {
	// Now is the clock of the rules that ask for the time; nil is time.Now. It is
	// set before the first use.
	Now func() time.Time

	// Shared is a registry whose validators, types and functions this one has as
	// well, such as those of a whole tenant for the registry of one subject. Its
	// validators come first: an id that it has cannot be registered here, and one
	// that it gets later stands before the one here. nil shares nothing. It is set
	// before the first use, and has no Shared of its own.
	Shared *Registry

	// Fallback is asked for validators that neither Shared nor this registry has.
	// nil has none. It is set before the first use.
	Fallback *Registry

	mu        sync.RWMutex
	functions map[string]Func
	types     map[string]Builder
	entries   map[string]entry
}

type entry struct {
	validator Validator[any]
	version   int
}

// Func is a validator of the host's for configurations of the type custom, which
// name it as their validation_logic. The parameters are those of the
// configuration, free-form, under the names written there.
type Func func(ctx context.Context, change Change[any], parameters map[string]any) aureus.ValidationResult

// Builder makes the validators of one more type of configuration. It gets the
// parameters as the JSON text of one object, names in snake_case, {} where there
// are none. Problems are a [*ConfigError] whose pointers lead into that object;
// every other error is told as a problem of the parameters as a whole.
type Builder func(parameters []byte) (Validator[any], error)

// Func makes a function of the host known. Configurations registered later can
// name it. It panics when the function is nil, and when the name is empty or
// taken.
func (r *Registry) Func(name string, function Func) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || function == nil || r.functions[name] != nil {
		panic(fmt.Sprintf("crvgate: Registry.Func(%q): it takes a function and a name that is free", name))
	}
	if r.functions == nil {
		r.functions = map[string]Func{}
	}
	r.functions[name] = function
}

// Type makes a type of configuration known, as package crvgate/rules does for
// the types with a rule language. It panics when the builder is nil, and when
// the name is empty or taken.
func (r *Registry) Type(name string, build Builder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || build == nil || name == customType || builtInTypes[name] != nil || r.types[name] != nil {
		panic(fmt.Sprintf("crvgate: Registry.Type(%q): it takes a builder and a name that is free", name))
	}
	if r.types == nil {
		r.types = map[string]Builder{}
	}
	r.types[name] = build
}

// Register makes a validator of a configuration, JSON text of the form of SPEC
// 4.6, runs the tests it carries, and puts it under the id, in place of the one
// that was there. Versions of an id count from 1. A configuration that is
// invalid or fails its tests is a [*ConfigError], which matches
// [aureus.ErrInvalid], and the version in force stays. The id of a built-in, and
// one that Shared has, is an error that matches [aureus.ErrConflict].
func (r *Registry) Register(ctx context.Context, id string, config []byte) (aureus.ValidatorRegistration, error) {
	if err := r.isFree(id); err != nil {
		return aureus.ValidatorRegistration{}, err
	}
	validator, err := r.compile(ctx, id, config, true)
	if err != nil {
		return aureus.ValidatorRegistration{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	previous, replaced := r.entries[id]
	version := previous.version + 1
	if err := r.put(id, entry{validator, version}); err != nil {
		return aureus.ValidatorRegistration{}, err
	}
	return aureus.ValidatorRegistration{ValidatorID: id, Registered: true, Replaced: replaced, Version: version}, nil
}

// Compile says whether Register would take the configuration, and changes
// nothing. A host that keeps registrations calls it first, stores the
// configuration under the next version, and then calls Restore.
func (r *Registry) Compile(ctx context.Context, id string, config []byte) error {
	if err := r.isFree(id); err != nil {
		return err
	}
	_, err := r.compile(ctx, id, config, true)
	return err
}

// isFree says that Shared has the id.
func (r *Registry) isFree(id string) error {
	if r.Shared == nil || r.Shared.lookup(id) == nil || builtIn(id) != nil { // checkID tells of built-ins
		return nil
	}
	return fmt.Errorf("crvgate: %w: %q is registered for all and cannot be replaced by one of your own; choose another id", aureus.ErrConflict, id)
}

// Restore puts a validator from a host's store back under its id and version,
// unless a newer version is there; that Shared has the id does not keep it out. It does not run the tests again: they passed
// when the configuration was registered. The version counts from 1.
func (r *Registry) Restore(ctx context.Context, id string, version int, config []byte) error {
	if version < 1 {
		return fmt.Errorf("crvgate: version %d of validator %q: versions count from 1", version, id)
	}
	validator, err := r.compile(ctx, id, config, false)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[id].version > version {
		return nil
	}
	return r.put(id, entry{validator, version})
}

func (r *Registry) put(id string, e entry) error {
	if _, replaces := r.entries[id]; !replaces && len(r.entries) >= MaxValidators {
		return fmt.Errorf("crvgate: %w: there are %d validators already", aureus.ErrConflict, MaxValidators)
	}
	if r.entries == nil {
		r.entries = map[string]entry{}
	}
	r.entries[id] = e
	return nil
}

// Validator is the validator with that id, for use in a [Gate] of any type by
// [Gate.With]. It follows later registrations: what runs is what is registered
// when it runs. An id that nothing is registered under fails with TOOL_ERROR
// and names the id (SPEC 4.4).
func (r *Registry) Validator(id string) Validator[any] {
	return func(ctx context.Context, change Change[any]) aureus.ValidationResult {
		validator := r.lookup(id)
		if validator == nil {
			result := broken(fmt.Sprintf("there is no validator with the id %q", id))
			result.Remediation = "Register the validator, or name one that is registered."
			return result
		}
		return validator(ctx, change)
	}
}

// Validate is the gate of the wire (SPEC 4.1): all the validators that the
// configuration names judge the commit, each once however often it is named. An
// empty list passes here. All of them together take at most
// [MaxGateSteps] and [MaxGateTime]: one that is not run any more has a result
// with TOOL_ERROR. It never fails as a call: what cannot be judged is a result
// that did not pass.
func (r *Registry) Validate(ctx context.Context, commit aureus.Commit, config aureus.GateConfig) aureus.GateResult {
	gate := Gate[any]{settings: settings{
		name: config.Name, nonBlocking: !config.BlockOnFailure, recovery: config.RecoveryStrategy, passEmpty: true,
	}}
	if config.RequiredConfidence != nil {
		gate.required = *config.RequiredConfidence
	}
	if len(config.Validators) > MaxGateLength {
		reason := fmt.Sprintf("the gate names %d validators, and %d are the limit", len(config.Validators), MaxGateLength)
		return gate.conclude(judgement{}.stop(reason))
	}
	bounds, end := within(ctx, commit)
	defer end()
	ids := withoutRepeats(config.Validators)
	validators := make([]Validator[any], 0, len(ids))
	for _, id := range ids {
		validators = append(validators, bounds.guard(id, r.Validator(id)))
	}
	if isFreeForm(commit.Data, 0) && isFreeForm(commit.PreviousState, 0) {
		gate.validators = validators // what came over the wire needs no conversion
	} else {
		gate.rules = validators
	}
	return gate.Validate(ctx, changeOf(commit))
}

func (r *Registry) lookup(id string) Validator[any] {
	if validator := builtIn(id); validator != nil {
		return validator
	}
	if r.Shared != nil {
		if validator := r.Shared.lookup(id); validator != nil {
			return validator
		}
	}
	r.mu.RLock()
	validator := r.entries[id].validator
	r.mu.RUnlock()
	if validator == nil && r.Fallback != nil {
		return r.Fallback.lookup(id)
	}
	return validator
}

var (
	usualTemporal = TemporalMonotonic(TemporalOptions{})
	emptyPolicy   = MemoryPolicy()
)

// builtIn is the built-in validator with that id, or nil: each type that needs
// no parameter, and the two that the published guide uses (SPEC 4.4, 4.6).
func builtIn(id string) Validator[any] {
	switch id {
	case "not_null":
		return notNull
	case "monotonic":
		return monotonic
	case "temporal_monotonic":
		return usualTemporal
	case "memory_encryption":
		return memoryEncryption
	case "memory_policy":
		return emptyPolicy
	case "schema_check":
		return schemaCheck
	case "balance_positive":
		return balancePositive
	default:
		return nil
	}
}

func (r *Registry) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Registry) function(name string) Func {
	r.mu.RLock()
	function := r.functions[name]
	r.mu.RUnlock()
	if function == nil && r.Shared != nil {
		return r.Shared.function(name)
	}
	return function
}

// builder makes validators of that type, and is nil for a type that nobody has
// made known.
func (r *Registry) builder(kind string) Builder {
	r.mu.RLock()
	build := r.types[kind]
	r.mu.RUnlock()
	if build == nil && r.Shared != nil {
		return r.Shared.builder(kind)
	}
	return build
}

func (r *Registry) functionNames() string {
	names := r.names(func(r *Registry) []string { return slices.Collect(maps.Keys(r.functions)) })
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

// names are those that list gives for the registry and for what it shares.
func (r *Registry) names(list func(*Registry) []string) []string {
	var names []string
	for _, registry := range []*Registry{r, r.Shared} {
		if registry != nil {
			registry.mu.RLock()
			names = append(names, list(registry)...)
			registry.mu.RUnlock()
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// checkID says what is wrong with the id of a new validator.
func checkID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("crvgate: %w: a validator needs an id", aureus.ErrInvalid)
	case len(id) > MaxIDBytes:
		return fmt.Errorf("crvgate: %w: the id of a validator has at most %d bytes", aureus.ErrInvalid, MaxIDBytes)
	case nametext.Identifier(id) != "":
		return fmt.Errorf("crvgate: %w: the id of a validator %s", aureus.ErrInvalid, nametext.Identifier(id))
	case builtIn(id) != nil:
		return fmt.Errorf("crvgate: %w: %q is built in and cannot be replaced; choose another id", aureus.ErrConflict, id)
	default:
		return nil
	}
}
