package rules

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/farmountain/aureus-go/internal/pattern"
	"github.com/farmountain/aureus-go/internal/steps"
)

// Schemas come over an API, and a small one can take exponential time: the
// library has neither a limit nor a context. So every schema of a document is
// given a format that accepts all and counts: it is asked before the parts of
// that schema are. What the library does with a schema ahead of that (it
// compares the value with an enum, and copies the names that are not evaluated
// yet), the schema above it has paid for. Prices are in price.go.

// meter counts the steps of one validation at a time.
type meter struct {
	ctx    context.Context //nolint:containedctx // that of the validation which is running
	left   int
	unseen int    // steps since the context was last looked at
	data   extent // of the data that is judged

	patterns map[string]*countedPattern // those of the document
	size     int                        // instructions of them together
}

var errSteps = errors.New("too many steps")

// halt is what a validation is stopped with, through the library.
type halt struct{ err error }

const stepsBetweenLooks = 10_000

func (m *meter) charge(steps int) {
	m.left -= steps
	m.unseen += steps
	if m.left < 0 || steps < 0 {
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
// takes too long too. An error says that it could not be judged. What it takes is
// taken from the budget of the context.
func (s *compiledSchema) validate(ctx context.Context, data any, size extent) (matches bool, violated *jsonschema.ValidationError, err error) {
	s.meter.data = size
	failure, err := s.meter.run(ctx, s.verdict, data, MaxSchemaSteps)
	if err != nil || failure == nil {
		return err == nil, nil, err
	}
	failure, err = s.meter.run(ctx, s.root, data, maxReasonSteps)
	if err != nil && !errors.Is(err, errSteps) && !errors.Is(err, errBudget) {
		return false, nil, err
	}
	violated, _ = errors.AsType[*jsonschema.ValidationError](failure) // none where there is no failure
	return false, violated, nil
}

// errBudget is errSteps where the budget of the gate is what is used up.
var errBudget = errors.New("what the gate may cost altogether is used up")

// run validates data within so many steps. An error says that it could not.
func (m *meter) run(ctx context.Context, schema *jsonschema.Schema, data any, limit int) (failure, err error) {
	budget := steps.From(ctx)
	allowed := budget.Left(limit)
	m.ctx, m.left, m.unseen = ctx, allowed, stepsBetweenLooks
	defer func() {
		m.ctx = nil
		budget.Spend(min(allowed, allowed-m.left))
		switch stopped := recover().(type) {
		case nil:
		case halt:
			failure, err = nil, stopped.err
			if errors.Is(err, errSteps) && allowed < limit {
				err = errBudget
			}
		default:
			failure, err = nil, errors.New("the validation failed") // what it says may quote the data
		}
	}()
	m.charge(1)
	return schema.Validate(data), nil
}

// install has a schema counted, and replaces what the library does without a
// bound or tells in the wrong place.
func (m *meter) install(schema *jsonschema.Schema, doc document) {
	p := priceOf(schema, doc)
	format := &jsonschema.Format{Name: "steps"}
	checks := func(any) error { return nil }
	if schema.Format != nil {
		format.Name, checks = schema.Format.Name, schema.Format.Validate
		if format.Name == formatRegex {
			checks = m.checkPattern
		}
	}
	format.Validate = func(value any) error {
		m.charge(p.of(value, m.data))
		return checks(value)
	}
	schema.Format = format
	if schema.UniqueItems {
		schema.UniqueItems = false
		schema.Extensions = append(schema.Extensions, &uniqueItems{m})
	}
	if schema.PropertyNames != nil {
		schema.Extensions = append(schema.Extensions, &propertyNames{schema.PropertyNames})
		schema.PropertyNames = nil
	}
}

// countedPattern is a regular expression that counts its steps.
type countedPattern struct {
	pattern.Pattern

	meter *meter
}

// MatchString is part of the library's Regexp.
func (p *countedPattern) MatchString(text string) bool {
	const instructions = 50 // for one character each, about as long as a step
	p.meter.charge(1 + len(text)*p.Size/instructions)
	return p.Pattern.MatchString(text)
}

// compilePattern is the library's RegexpEngine: RE2, of a bounded size, alone and
// together with the others of the document. The library asks for each twice.
func (m *meter) compilePattern(text string) (jsonschema.Regexp, error) {
	if known := m.patterns[text]; known != nil {
		return known, nil
	}
	compiled, err := pattern.Compile(text, maxPatternLength, maxPatternSize)
	if err != nil {
		return nil, err
	}
	if m.size += compiled.Size; m.size > maxPatternsSize {
		return nil, errPatterns
	}
	if m.patterns == nil {
		m.patterns = map[string]*countedPattern{}
	}
	m.patterns[text] = &countedPattern{Pattern: compiled, meter: m}
	return m.patterns[text], nil
}

// checkPattern is the format regex. It compiles nothing.
func (m *meter) checkPattern(value any) error {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	const perByte = 20 // a class such as \pL is hundreds of ranges
	m.charge(min(len(text), maxPatternLength) * perByte)
	return pattern.Check(text, maxPatternLength, maxPatternSize)
}

// numberSize is how dear arithmetic with a number is, in steps beside the usual.
func numberSize(n json.Number) int { return digitsOf(string(n)) / digitsPerStep }
