package rules

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/crvgate"
	"github.com/farmountain/aureus-go/crvgate/registry"
	"github.com/farmountain/aureus-go/internal/jsonvalue"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// The limits of a configuration of the type json_schema.
const (
	MaxSchemaValues  = 10_000    // JSON values in the schema
	MaxSchemaSteps   = 1_000_000 // steps of one validation: about one for each keyword and value
	MaxDigits        = 400       // digits of a number, in the schema and in the data; also the largest exponent
	MaxViolations    = 20        // violations that a result lists
	maxPatternLength = 1_000     // characters of a pattern
	maxPatternSize   = 10_000    // instructions of a pattern
	maxPatternsSize  = 100_000   // instructions of all patterns of a schema
	maxReasonSteps   = 50_000    // steps of finding the violations
	formatRegex      = "regex"
)

// schemaDocument is a valid schema and its compiled copies. A copy is used by one
// validation at a time, because it counts the steps of that validation. There are at most
// as many copies as processors. When all are in use, a validation waits, which takes less
// time than compiling another copy.
type schemaDocument struct {
	document any
	free     chan *compiledSchema
	spare    chan struct{} // holds one token for each copy that may still be compiled
}

func buildJSONSchema(parameters []byte) (crvgate.Validator[any], error) {
	var p struct {
		Schema any `json:"schema"`
	}
	if problems := read("", parameters, &p, "schema"); len(problems) > 0 {
		return nil, failed(problems)
	}
	if err := checkSize(p.Schema); err != nil {
		return nil, err
	}
	first, problems := compileSchema(p.Schema)
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	limit := runtime.GOMAXPROCS(0)
	schema := &schemaDocument{document: p.Schema, free: make(chan *compiledSchema, limit), spare: make(chan struct{}, limit)}
	for range limit - 1 {
		schema.spare <- struct{}{}
	}
	schema.free <- first
	return schema.validate, nil
}

// take returns a compiled copy, which the caller must put back into free. It waits if all
// are in use.
func (s *schemaDocument) take(ctx context.Context) (*compiledSchema, error) {
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
			return nil, errors.New("the schema could not be compiled again: " + problems[0].String())
		}
		return copied, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (s *schemaDocument) validate(ctx context.Context, change crvgate.Change[any]) aureus.ValidationResult {
	data, err := jsonvalue.FreeForm(change.Data)
	if err != nil {
		return crvgate.Fail(aureus.Conflict, "the data has no JSON form: "+err.Error())
	}
	if pointer, ok := boundNumbers(data, ""); !ok {
		return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the number at %q has more than %d digits, or an exponent beyond that", pointer, MaxDigits))
	}
	schema, err := s.take(ctx)
	if err != nil {
		return crvgate.Fail(aureus.ToolError, "the data could not be validated: "+err.Error())
	}
	matches, violated, err := schema.validate(ctx, data, extentOf(data))
	s.free <- schema
	switch {
	case errors.Is(err, errSteps):
		return crvgate.Fail(aureus.ToolError, fmt.Sprintf("the data could not be validated: that takes more than %d steps", MaxSchemaSteps))
	case err != nil:
		return crvgate.Fail(aureus.ToolError, "the data could not be validated: "+err.Error())
	case matches:
		return crvgate.Pass()
	case violated == nil:
		return crvgate.Fail(aureus.Conflict, "the data does not match the schema, with too many violations to list")
	default:
		return resultOf(violated)
	}
}

// checkSize returns an error if a schema is too large to be compiled.
func checkSize(document any) error {
	if n := countValues(document); n > MaxSchemaValues {
		return failed([]registry.Problem{{Pointer: "/schema", Message: fmt.Sprintf("has %d values, and the limit is %d", n, MaxSchemaValues)}})
	}
	if pointer, ok := boundNumbers(document, ""); !ok {
		return failed([]registry.Problem{{Pointer: "/schema" + pointer, Message: fmt.Sprintf("has more than %d digits, or an exponent beyond that", MaxDigits)}})
	}
	return nil
}

func countValues(value any) int {
	n := 1
	switch value := value.(type) {
	case []any:
		for _, item := range value {
			n += countValues(item)
		}
	case map[string]any:
		for _, item := range value {
			n += countValues(item)
		}
	}
	return n
}

// boundNumbers reports whether arithmetic is cheap for every number in a value. If not, it
// also returns the pointer of such a number. A text that is not a JSON number is not cheap.
func boundNumbers(value any, pointer string) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return pointer, isCheap(string(value))
	case []any:
		for i, item := range value {
			if isLeaf(item) {
				continue
			}
			if found, ok := boundNumbers(item, pointer+"/"+strconv.Itoa(i)); !ok {
				return found, false
			}
		}
	case map[string]any:
		for name, item := range value {
			if isLeaf(item) {
				continue
			}
			if found, ok := boundNumbers(item, pointer+"/"+strictjson.Token(name)); !ok {
				return found, false
			}
		}
	}
	return "", true
}

// isLeaf reports whether a value is a cheap number or contains no number, so that its
// pointer is not needed.
func isLeaf(value any) bool {
	switch value := value.(type) {
	case json.Number:
		return isCheap(string(value))
	case []any, map[string]any:
		return false
	default:
		return true
	}
}

// isCheap reports whether a number has at most MaxDigits digits and an exponent within
// MaxDigits.
func isCheap(number string) bool {
	if len(number) > MaxDigits {
		return false
	}
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	if found {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > MaxDigits || n < -MaxDigits {
			return false
		}
	}
	_, err := strconv.ParseFloat(mantissa, 64)
	return mantissa != "" && (err == nil || errors.Is(err, strconv.ErrRange))
}
