package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/internal/checks"
	"github.com/farmountain/aureus-go/internal/nametext"
	"github.com/farmountain/aureus-go/internal/wiregate"
)

// The limits of a [Registry]. It refuses configurations that exceed one.
const (
	MaxValidators   = 10_000                 // registered at the same time, built-in ones not counted
	MaxConfigBytes  = 1 << 20                // of one configuration (1 MiB)
	MaxIDBytes      = 256                    // of the id of a validator
	MaxTestsPerRule = 100                    // in one configuration
	MaxGateLength   = wiregate.MaxValidators // validators named by one gate configuration: 1,000
)

// The limits of one call of [Registry.Validate], and of all tests of one
// configuration. A step is about half a microsecond of one processor: a JSON Schema
// takes about one step for each keyword and value that it examines, an expression
// one step for each unit of its cost, and every validator one step for each ten values
// of the commit.
const (
	MaxGateSteps = wiregate.MaxSteps // of all validators together: 3,000,000
	MaxGateTime  = wiregate.MaxTime  // of all validators together: 10 seconds
)

// Registry holds validators by their ids. The zero value is ready for use and has the
// built-in validators: not_null, monotonic, temporal_monotonic, memory_encryption,
// memory_policy, schema_check and balance_positive. They are the validators with these
// names in package validators, with default parameters.
//
// A Registry is safe for concurrent use and must not be copied after first use.
type Registry struct {
	// Now returns the time, for the validators that need it; nil means [time.Now]. Set
	// it before the first use.
	Now func() time.Time

	mu        sync.RWMutex
	functions map[string]Func
	types     map[string]Builder
	entries   map[string]entry
}

// entry is a registered validator in its current version.
type entry struct {
	validator crvgate.Validator[any]
	version   int
}

// Func is a validator in Go for configurations of the type custom, which name it in
// validation_logic. parameters has the parameters of the configuration, with their
// names unchanged; the values are free-form JSON: nil, bool, string, [json.Number],
// []any or map[string]any. The function must be safe for concurrent use.
type Func func(ctx context.Context, change crvgate.Change[any], parameters map[string]any) aureus.ValidationResult

// Builder creates a validator from the parameters of a configuration, for a type that
// the program adds with [Registry.Type]. parameters is the JSON text of one object with
// names in snake_case; it is {} if the configuration has none. If parameters are
// invalid, return a [*ConfigError] with pointers into that object; any other error
// counts as a problem of the parameters as a whole. The validator receives the change
// as free-form JSON.
type Builder func(parameters []byte) (crvgate.Validator[any], error)

// Func adds a function with a name, for configurations that are registered after the
// call. It panics if the function is nil, or if the name is empty or already in use.
func (r *Registry) Func(name string, function Func) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || function == nil || r.functions[name] != nil {
		panic(fmt.Sprintf("crvgate: Registry.Func(%q): it needs a function and a name that is not in use", name))
	}
	if r.functions == nil {
		r.functions = map[string]Func{}
	}
	r.functions[name] = function
}

// Type adds a type of configuration, as package crvgate/rules does for the types with a
// rule language. It panics if the builder is nil, or if the name is empty or already
// in use.
func (r *Registry) Type(name string, build Builder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || build == nil || name == customType || checks.Types[name] != nil || r.types[name] != nil {
		panic(fmt.Sprintf("crvgate: Registry.Type(%q): it needs a builder and a name that is not in use", name))
	}
	if r.types == nil {
		r.types = map[string]Builder{}
	}
	r.types[name] = build
}

// Register creates a validator from a configuration, runs the tests of the
// configuration, and registers the validator with the id. A validator that already has
// the id is replaced. The first version of an id is 1, and each replacement adds 1. The
// package documentation describes configurations.
//
// The id has 1 to [MaxIDBytes] bytes of visible characters and plain spaces. An
// invalid id matches [aureus.ErrInvalid]. A configuration that is invalid, or whose
// tests fail, is a [*ConfigError], and an earlier validator with the id stays
// registered. The id of a built-in validator, and a new id beyond [MaxValidators],
// match [aureus.ErrConflict].
func (r *Registry) Register(ctx context.Context, id string, config []byte) (aureus.ValidatorRegistration, error) {
	validator, err := r.compile(ctx, id, config, true)
	if err != nil {
		return aureus.ValidatorRegistration{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	previous, replaced := r.entries[id]
	if !replaced && len(r.entries) >= MaxValidators {
		return aureus.ValidatorRegistration{}, fmt.Errorf("crvgate: %w: there are %d validators already", aureus.ErrConflict, MaxValidators)
	}
	if r.entries == nil {
		r.entries = map[string]entry{}
	}
	version := previous.version + 1
	r.entries[id] = entry{validator, version}
	return aureus.ValidatorRegistration{ValidatorID: id, Registered: true, Replaced: replaced, Version: version}, nil
}

// Check returns the error that [Registry.Register] would return for the id and the
// configuration. It runs the tests of the configuration and registers nothing.
func (r *Registry) Check(ctx context.Context, id string, config []byte) error {
	_, err := r.compile(ctx, id, config, true)
	return err
}

// Compile creates the validator of a configuration and returns it without registering
// it. It does not run the tests of the configuration: use it for configurations that
// were checked before, such as those in a database. Errors are those of
// [Registry.Register].
func (r *Registry) Compile(id string, config []byte) (crvgate.Validator[any], error) {
	return r.compile(context.Background(), id, config, false)
}

// Has reports whether there is a validator with the id, built-in or registered.
func (r *Registry) Has(id string) bool { return r.find(id) != nil }

// Validator returns the validator with the id, for [crvgate.Gate.With]. It looks up the
// id for each change, so it uses the latest registration. While no validator has the
// id, its result is a TOOL_ERROR that names the id.
func (r *Registry) Validator(id string) crvgate.Validator[any] {
	return func(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
		validator := r.find(id)
		if validator == nil {
			return wiregate.NotFound(id)
		}
		return validator(ctx, change)
	}
}

// Validate judges a commit with the validators that the configuration names, as a
// control plane does for POST /api/v1/crv/validate. Each validator runs once, even if
// it is named more than once. An empty list of validators passes. The result for an id
// without a validator is a TOOL_ERROR, and so is the result of each validator that does
// not run because [MaxGateSteps] or [MaxGateTime] is reached. If the required
// confidence is not a number from 0 to 1, no result reaches it.
//
// Validate returns no error: the result of a commit that cannot be judged has not
// passed.
func (r *Registry) Validate(ctx context.Context, commit aureus.Commit, config aureus.GateConfig) aureus.GateResult {
	return wiregate.Validate(ctx, commit, config, r.find)
}

// find returns the validator with the id, or nil. It looks for a built-in one first.
func (r *Registry) find(id string) crvgate.Validator[any] {
	if validator := checks.BuiltIn(id); validator != nil {
		return validator
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.entries[id].validator
}

func (r *Registry) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *Registry) function(name string) Func {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.functions[name]
}

// builder returns the builder of a type that the program added, or nil for other types.
func (r *Registry) builder(kind string) Builder {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.types[kind]
}

func (r *Registry) functionNames() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.functions) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(r.functions)), ", ")
}

func (r *Registry) typeNames() string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	names := append(slices.Collect(maps.Keys(checks.Types)), customType)
	names = slices.AppendSeq(names, maps.Keys(r.types))
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// checkID returns an error if a new validator cannot have the id.
func checkID(id string) error {
	switch {
	case id == "":
		return fmt.Errorf("crvgate: %w: a validator needs an id", aureus.ErrInvalid)
	case len(id) > MaxIDBytes:
		return fmt.Errorf("crvgate: %w: the id of a validator has at most %d bytes", aureus.ErrInvalid, MaxIDBytes)
	case nametext.Identifier(id) != "":
		return fmt.Errorf("crvgate: %w: the id of a validator %s", aureus.ErrInvalid, nametext.Identifier(id))
	case checks.BuiltIn(id) != nil:
		return fmt.Errorf("crvgate: %w: %q is built in and cannot be replaced; choose another id", aureus.ErrConflict, id)
	default:
		return nil
	}
}
