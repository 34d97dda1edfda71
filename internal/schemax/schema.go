package schemax

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// The limits of a schema and of a validation.
const (
	MaxValues = 10_000    // JSON values in the schema
	MaxSteps  = 1_000_000 // steps of one validation: about one for each keyword and value
	MaxDigits = 400       // digits of a number, in the schema and in the data; also the largest exponent

	maxMismatches    = 20      // problems of a document that is not a schema
	maxPatternLength = 1_000   // characters of a pattern
	maxPatternSize   = 10_000  // instructions of a pattern
	maxPatternsSize  = 100_000 // instructions of all patterns of a schema
	maxReasonSteps   = 50_000  // steps of finding the violations
	formatRegex      = "regex"
)

// ErrSteps is the error of a validation that takes more than [MaxSteps] steps.
var ErrSteps = errors.New("too many steps")

// NumberError is the error for a number with more than [MaxDigits] digits, or with an
// exponent beyond that.
type NumberError struct{ Pointer string } // of the number

// Error implements error.
func (e *NumberError) Error() string {
	return fmt.Sprintf("the number at %q %s", e.Pointer, tooManyDigits())
}

func tooManyDigits() string {
	return fmt.Sprintf("has more than %d digits, or an exponent beyond that", MaxDigits)
}

// Problem is one defect of a document that is not a valid schema.
type Problem struct {
	Pointer string // RFC 6901, into the document; empty for the whole document
	Message string
}

// Schema is a valid schema and its compiled copies. It is safe for concurrent use. A copy
// is used by one validation at a time, because it counts the steps of that validation.
// There are at most as many copies as processors. When all are in use, a validation waits,
// which takes less time than compiling another copy.
type Schema struct {
	document any
	root     *jsonschema.Schema // of the first copy
	free     chan *compiledSchema
	spare    chan struct{} // holds one token for each copy that may still be compiled
}

// Compile compiles a document, which is free-form JSON and must not be modified
// afterwards. It returns all problems that it finds; the schema is nil if there are any.
func Compile(document any) (*Schema, []Problem) {
	if problems := checkSize(document); len(problems) > 0 {
		return nil, problems
	}
	first, problems := compileSchema(document)
	if len(problems) > 0 {
		return nil, problems
	}
	limit := runtime.GOMAXPROCS(0)
	schema := &Schema{document: document, root: first.root, free: make(chan *compiledSchema, limit), spare: make(chan struct{}, limit)}
	for range limit - 1 {
		schema.spare <- struct{}{}
	}
	schema.free <- first
	return schema, nil
}

// take returns a compiled copy, which the caller must put back into free. It waits if all
// are in use.
func (s *Schema) take(ctx context.Context) (*compiledSchema, error) {
	select {
	case copied := <-s.free:
		return copied, nil
	default:
	}
	select {
	case copied := <-s.free:
		return copied, nil
	case <-s.spare:
		copied, problems := compileSchema(s.document)
		if len(problems) > 0 {
			s.spare <- struct{}{}
			return nil, fmt.Errorf("the schema could not be compiled again: %s: %s", problems[0].Pointer, problems[0].Message)
		}
		return copied, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Outcome is the result of a validation.
type Outcome struct {
	Matches bool

	// Violations is sorted by pointer. It is empty if the data matches, and also if it
	// does not match but finding the violations takes too many steps.
	Violations []Violation

	// OnlyMissing says that absent properties are the only violations.
	OnlyMissing bool
}

// Validate compares data, which is free-form JSON, with the schema. An error means that
// the data could not be validated: [*NumberError], [ErrSteps], or the cause of the
// context. The steps are subtracted from the budget of the context, if it has one.
func (s *Schema) Validate(ctx context.Context, data any) (Outcome, error) {
	if pointer, ok := boundNumbers(data, ""); !ok {
		return Outcome{}, &NumberError{Pointer: pointer}
	}
	schema, err := s.take(ctx)
	if err != nil {
		return Outcome{}, err
	}
	matches, violated, err := schema.validate(ctx, data, extentOf(data))
	s.free <- schema
	if err != nil || violated == nil {
		return Outcome{Matches: matches}, err
	}
	return Outcome{Violations: violationsOf(violated), OnlyMissing: onlyMissing(violated)}, nil
}

// checkSize returns a problem if a schema is too large to be compiled.
func checkSize(document any) []Problem {
	if n := countValues(document); n > MaxValues {
		return []Problem{{Message: fmt.Sprintf("has %d values, and the limit is %d", n, MaxValues)}}
	}
	if pointer, ok := boundNumbers(document, ""); !ok {
		return []Problem{{Pointer: pointer, Message: tooManyDigits()}}
	}
	return nil
}
