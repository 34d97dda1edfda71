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

// The limits of a [Registry]. What exceeds one is refused.
const (
	MaxValidators   = 10_000                 // registered at the same time, built-in ones not counted
	MaxConfigBytes  = 1 << 20                // of one configuration (1 MiB)
	MaxIDBytes      = 256                    // of the id of a validator
	MaxTestsPerRule = 100                    // in one configuration
	MaxGateLength   = wiregate.MaxValidators // validators named by one gate configuration: 1,000
)

// The limits of one call of [Registry.Validate], and of all tests of one
// configuration. A step is about half a microsecond of one processor: a JSON Schema
// takes about one step for each keyword and value that it looks at, an expression
// one for each unit of its cost, and every validator one for ten values of the
// commit.
const (
	MaxGateSteps = wiregate.MaxSteps // of all validators together: 3,000,000
	MaxGateTime  = wiregate.MaxTime  // of all validators together: 10 seconds
)

// Registry holds validators under their ids. The zero value is ready for use and has
// the built-in validators: not_null, monotonic, temporal_monotonic,
// memory_encryption, memory_policy, schema_check and balance_positive. They are
// those of package validators, without parameters.
//
// A Registry is safe for concurrent use and must not be copied after first use.
type Registry struct {
	// Now is the clock of the validators that need the time; nil is [time.Now]. Set
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

// Func is a validator in Go that configurations of the type custom name as their
// validation_logic. parameters are those of the configuration under the names
// written there; their values are free-form JSON: nil, bool, string, [json.Number],
// []any or map[string]any. The function must be safe for concurrent use.
type Func func(ctx context.Context, change crvgate.Change[any], parameters map[string]any) aureus.ValidationResult

// Builder makes a validator of the parameters of a configuration, for a type that
// the host of the registry adds. parameters is the JSON text of one object with
// names in snake_case; it is {} if the configuration has none. What is wrong with
// them is returned as a [*ConfigError] with pointers into that object; any other
// error counts as a problem of the parameters as a whole. The validator sees the
// change as free-form JSON.
type Builder func(parameters []byte) (crvgate.Validator[any], error)

// Func makes a function known under a name, for configurations that are registered
// after that. It panics if the function is nil, and if the name is empty or taken.
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

// Type makes a type of configuration known, as package crvgate/rules does for the
// types with a rule language. It panics if the builder is nil, and if the name is
// empty or taken.
func (r *Registry) Type(name string, build Builder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name == "" || build == nil || name == customType || checks.Types[name] != nil || r.types[name] != nil {
		panic(fmt.Sprintf("crvgate: Registry.Type(%q): it takes a builder and a name that is free", name))
	}
	if r.types == nil {
		r.types = map[string]Builder{}
	}
	r.types[name] = build
}

// Register makes a validator of a configuration, runs the tests that the
// configuration has, and puts the validator under the id, in place of the one that
// was there. The first version of an id is 1, and each replacement adds 1. The
// package documentation describes configurations.
//
// The id has 1 to [MaxIDBytes] bytes of visible characters and plain spaces. An
// invalid id matches [aureus.ErrInvalid]. A configuration that is invalid, or whose
// tests fail, is a [*ConfigError], and the validator that was there stays. The id of
// a built-in validator, and a new id beyond [MaxValidators], match
// [aureus.ErrConflict].
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
// configuration, tests included, and registers nothing.
func (r *Registry) Check(ctx context.Context, id string, config []byte) error {
	_, err := r.compile(ctx, id, config, true)
	return err
}

// Compile makes the validator of a configuration and returns it without registering
// it. It does not run the tests of the configuration: use it for configurations that
// were checked before, such as those in a database. Errors are those of
// [Registry.Register].
func (r *Registry) Compile(id string, config []byte) (crvgate.Validator[any], error) {
	return r.compile(context.Background(), id, config, false)
}

// Has reports whether there is a validator with the id, built-in or registered.
func (r *Registry) Has(id string) bool { return r.find(id) != nil }

// Validator returns the validator with the id, for [crvgate.Gate.With]. It looks the
// id up at each judgement, so that it follows later registrations. While nothing is
// registered under the id, its result is a TOOL_ERROR that names the id.
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
// control plane does for POST /api/v1/crv/validate. Each validator runs once,
// however often it is named. An empty list of validators passes. An id without a
// validator gives a result with TOOL_ERROR, and so does each validator that no
// longer runs because [MaxGateSteps] or [MaxGateTime] is used up. A required
// confidence that is not a number from 0 to 1 is never reached.
//
// Validate returns no error: a commit that could not be judged has a result that did
// not pass.
func (r *Registry) Validate(ctx context.Context, commit aureus.Commit, config aureus.GateConfig) aureus.GateResult {
	return wiregate.Validate(ctx, commit, config, r.find)
}

// find is the validator with the id, or nil. Built-in ones come first.
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

// builder makes validators of a type that the host added. It is nil for other types.
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

// checkID says what is wrong with the id of a new validator.
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
