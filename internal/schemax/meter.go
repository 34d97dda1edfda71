package schemax

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/farmountain/aureus-go/internal/pattern"
	"github.com/farmountain/aureus-go/internal/steps"
)

// Schemas are received over an API, and a small schema can take exponential time to
// validate. The library has neither a limit nor a context. So every schema of a document
// gets a format that accepts every value and counts steps: the library checks the format
// of a schema before its other keywords. Only two things come before the format: the
// library compares the value with an enum, and it copies the names that are not evaluated
// yet. The schema that refers to this one counts the steps of both. File price.go computes
// the number of steps.

// meter counts the steps of one validation at a time, and stops it at the limit.
type meter struct {
	ctx       context.Context //nolint:containedctx // of the current validation
	left      int             // remaining steps
	unchecked int             // steps since the context was last checked
	data      extent          // of the data that is validated

	patterns map[string]*countedPattern // of the document, by text
	size     int                        // instructions of all patterns together
}

// halt is the panic that stops a validation inside the library.
type halt struct{ err error }

// stepsBetweenChecks is the number of steps between two checks of the context.
const stepsBetweenChecks = 10_000

// charge counts steps before they are executed.
func (m *meter) charge(steps int) {
	m.left -= steps
	m.unchecked += steps
	if m.left < 0 || steps < 0 {
		panic(halt{ErrSteps})
	}
	if m.unchecked >= stepsBetweenChecks {
		m.unchecked = 0
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

// validate reports whether data matches. If not, violated lists the violations, or is nil
// if finding them takes too many steps. An error means that the data could not be
// validated. The steps are subtracted from the budget of the context.
func (s *compiledSchema) validate(ctx context.Context, data any, size extent) (matches bool, violated *jsonschema.ValidationError, err error) {
	s.meter.data = size
	failure, err := s.meter.run(ctx, s.verdict, data, MaxSteps)
	if err != nil || failure == nil {
		return err == nil, nil, err
	}
	failure, err = s.meter.run(ctx, s.root, data, maxReasonSteps)
	if err != nil && !errors.Is(err, ErrSteps) && !errors.Is(err, errBudget) {
		return false, nil, err
	}
	violated, _ = errors.AsType[*jsonschema.ValidationError](failure) // nil if there is no failure
	return false, violated, nil
}

// errBudget is returned instead of ErrSteps if the budget of the gate is used up.
var errBudget = errors.New("the steps of the gate are used up")

// run validates data with at most limit steps. failure is the library's error for data that
// does not match. err means that the data could not be validated.
func (m *meter) run(ctx context.Context, schema *jsonschema.Schema, data any, limit int) (failure, err error) {
	budget := steps.From(ctx)
	allowed := budget.Left(limit)
	m.ctx, m.left, m.unchecked = ctx, allowed, stepsBetweenChecks
	defer func() {
		m.ctx = nil
		budget.Spend(min(allowed, allowed-m.left))
		switch stopped := recover().(type) {
		case nil:
		case halt:
			failure, err = nil, stopped.err
			if errors.Is(err, ErrSteps) && allowed < limit {
				err = errBudget
			}
		default:
			failure, err = nil, errors.New("the validation failed") // the text of the panic may contain data
		}
	}()
	m.charge(1)
	return schema.Validate(data), nil
}

// install adds the counting of steps to a schema. It also replaces the keywords that the
// library checks without a limit or reports with a wrong pointer.
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

// countedPattern is a regular expression that counts its steps in a meter.
type countedPattern struct {
	pattern.Pattern

	meter *meter
}

// MatchString implements the library's Regexp.
func (p *countedPattern) MatchString(text string) bool {
	const instructions = 50 // instructions for one character that take about as long as one step
	p.meter.charge(1 + len(text)*p.Size/instructions)
	return p.Pattern.MatchString(text)
}

// compilePattern is the library's RegexpEngine. It compiles RE2 patterns, and limits the
// size of each pattern and of all patterns in the document. The library compiles each
// pattern twice.
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

// checkPattern checks the format regex. It parses the pattern and does not compile it.
func (m *meter) checkPattern(value any) error {
	text, ok := value.(string)
	if !ok {
		return nil
	}
	const perByte = 20 // steps; a class such as \pL is hundreds of ranges
	m.charge(min(len(text), maxPatternLength) * perByte)
	return pattern.Check(text, maxPatternLength, maxPatternSize)
}

// numberSize returns the additional steps for arithmetic with a number, compared with a
// short number.
func numberSize(n json.Number) int { return digitsOf(string(n)) / digitsPerStep }
