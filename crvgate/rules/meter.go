package rules

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Schemas come over an API, and a small one can take exponential time: the
// library has neither a limit nor a context. So every schema of a document is
// given a format that accepts all and counts: it is asked before the parts of
// that schema are. What is counted ahead of it, a value compared with an enum
// say, its parent has paid for.

// meter counts the steps of one validation at a time.
type meter struct {
	ctx    context.Context //nolint:containedctx // that of the validation which is running
	left   int
	unseen int // steps since the context was last looked at
}

var errSteps = errors.New("too many steps")

// halt is what a validation is stopped with, through the library.
type halt struct{ err error }

const stepsBetweenLooks = 10_000

func (m *meter) charge(steps int) {
	m.left -= steps
	m.unseen += steps
	if m.left < 0 {
		panic(halt{errSteps})
	}
	if m.unseen >= stepsBetweenLooks {
		m.unseen = 0
		if m.ctx.Err() != nil {
			panic(halt{context.Cause(m.ctx)})
		}
	}
}

// compiledSchema is one copy of a schema, with its own meter.
type compiledSchema struct {
	root, verdict *jsonschema.Schema
	meter         *meter
}

// validate reports whether data matches, and finds what is violated, unless that
// takes too long too. An error says that it could not be judged.
func (s *compiledSchema) validate(ctx context.Context, data any) (matches bool, violated *jsonschema.ValidationError, err error) {
	failure, err := s.meter.run(ctx, s.verdict, data, MaxSchemaSteps)
	if err != nil || failure == nil {
		return err == nil, nil, err
	}
	failure, err = s.meter.run(ctx, s.root, data, maxReasonSteps)
	if err != nil && !errors.Is(err, errSteps) {
		return false, nil, err
	}
	violated, _ = errors.AsType[*jsonschema.ValidationError](failure) // none where there is no failure
	return false, violated, nil
}

// run validates data within so many steps. An error says that it could not.
func (m *meter) run(ctx context.Context, schema *jsonschema.Schema, data any, steps int) (failure, err error) {
	m.ctx, m.left, m.unseen = ctx, steps, stepsBetweenLooks
	defer func() {
		m.ctx = nil
		switch stopped := recover().(type) {
		case nil:
		case halt:
			failure, err = nil, stopped.err
		default:
			failure, err = nil, errors.New("the validation failed") // what it says may quote the data
		}
	}()
	m.charge(1)
	return schema.Validate(data), nil
}

// install has a schema counted. dynamic is the price of the dearest schema, to
// which a dynamic reference may lead.
func (m *meter) install(schema *jsonschema.Schema, dynamic int) {
	p := priceOf(schema, dynamic)
	format := &jsonschema.Format{Name: "steps"}
	checks := func(any) error { return nil }
	if schema.Format != nil {
		format.Name, checks = schema.Format.Name, schema.Format.Validate
	}
	format.Validate = func(value any) error {
		steps := p.fixed
		switch value := value.(type) {
		case map[string]any:
			steps += len(value) * p.property
		case []any:
			steps += len(value) * p.item
		case string:
			steps += len(value) / 64
		}
		m.charge(steps)
		return checks(value)
	}
	schema.Format = format
}

// price is what a schema's own keywords cost, and entering those right below it.
type price struct{ fixed, property, item int }

// entry is what a schema costs before it counts itself.
func entry(schema *jsonschema.Schema) int {
	if schema == nil {
		return 0
	}
	steps := 1
	if schema.Enum != nil {
		for _, value := range schema.Enum.Values {
			steps += countValues(value)
		}
	}
	if schema.Const != nil {
		steps += countValues(*schema.Const)
	}
	return steps
}

func priceOf(s *jsonschema.Schema, dynamic int) price {
	p := price{fixed: 1 + len(s.Required) + len(s.DependentRequired), property: 1, item: 1}
	for _, schema := range inPlace(s) {
		p.fixed += entry(schema)
	}
	if s.DynamicRef != nil {
		p.fixed += dynamic
	}
	for _, names := range s.DependentRequired {
		p.fixed += len(names)
	}
	dearest := 0
	for _, schema := range s.Properties {
		dearest = max(dearest, entry(schema))
	}
	p.property += dearest + entry(s.PropertyNames) + entry(s.UnevaluatedProperties)
	for _, schema := range s.PatternProperties {
		p.property += entry(schema)
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		p.property += entry(additional)
	}
	p.item += entry(s.Items2020) + entry(s.Contains) + entry(s.UnevaluatedItems)
	dearest = 0
	for _, schema := range s.PrefixItems {
		dearest = max(dearest, entry(schema))
	}
	p.item += dearest
	if s.UniqueItems {
		const most = 20 // up to so many items, the library compares each with each
		p.item += most
	}
	return p
}

// pattern is a regular expression that counts its steps.
type pattern struct {
	*regexp.Regexp

	meter *meter
	size  int
}

// MatchString is part of the library's Regexp.
func (p *pattern) MatchString(text string) bool {
	const instructions = 50 // for one character each, about as long as a step
	p.meter.charge(1 + len(text)*p.size/instructions)
	return p.Regexp.MatchString(text)
}

// compilePattern is the library's RegexpEngine: RE2, of a bounded size.
func (m *meter) compilePattern(text string) (jsonschema.Regexp, error) {
	if len(text) > maxPatternLength {
		return nil, fmt.Errorf("has %d bytes, and %d are the limit", len(text), maxPatternLength)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, err
	}
	program, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		return nil, err
	}
	if len(program.Inst) > maxPatternSize {
		return nil, fmt.Errorf("takes %d instructions, and %d are the limit", len(program.Inst), maxPatternSize)
	}
	compiled, err := regexp.Compile(text)
	if err != nil {
		return nil, err
	}
	return &pattern{Regexp: compiled, meter: m, size: len(program.Inst)}, nil
}
