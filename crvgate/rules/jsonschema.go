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

// The bounds of a json_schema.
const (
	MaxSchemaValues  = 10_000    // JSON values in a schema
	MaxSchemaSteps   = 1_000_000 // of one validation: about one for each keyword and value looked at
	MaxDigits        = 400       // of a number, and of its exponent's value; no double needs more
	MaxViolations    = 20        // listed in a result
	maxPatternLength = 1_000     // characters of a pattern
	maxPatternSize   = 10_000    // instructions of a pattern
	maxPatternsSize  = 100_000   // instructions of all patterns of a schema
	maxReasonSteps   = 50_000    // of finding out in what data differs
	formatRegex      = "regex"
)

// schemaDocument is a schema that compiles. A compiled copy serves one
// validation at a time, since it counts the steps of that one. There are at most
// as many copies as processors: a further validation waits for one, which costs
// less than to compile another.
type schemaDocument struct {
	document any
	free     chan *compiledSchema
	unmade   chan struct{} // holds one token for each copy that may still be made
}

func buildJSONSchema(parameters []byte) (crvgate.Validator[any], error) {
	var p struct {
		Schema any `json:"schema"`
	}
	if problems := read("", parameters, &p, "schema"); len(problems) > 0 {
		return nil, failed(problems)
	}
	if err := boundSchema(p.Schema); err != nil {
		return nil, err
	}
	first, problems := compileSchema(p.Schema)
	if len(problems) > 0 {
		return nil, failed(problems)
	}
	limit := runtime.GOMAXPROCS(0)
	schema := &schemaDocument{document: p.Schema, free: make(chan *compiledSchema, limit), unmade: make(chan struct{}, limit)}
	for range limit - 1 {
		schema.unmade <- struct{}{}
	}
	schema.free <- first
	return schema.validate, nil
}

// take is a compiled copy, to be given back. It waits where all are in use.
func (s *schemaDocument) take(ctx context.Context) (*compiledSchema, error) {
	select {
	case copied := <-s.free:
		return copied, nil
	default:
	}
	select {
	case copied := <-s.free:
		return copied, nil
	case <-s.unmade:
		copied, problems := compileSchema(s.document)
		if len(problems) > 0 {
			s.unmade <- struct{}{}
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
		return crvgate.Fail(aureus.Conflict, fmt.Sprintf("the number at %q has more than %d digits, or such an exponent", pointer, MaxDigits))
	}
	schema, err := s.take(ctx)
	if err != nil {
		return crvgate.Fail(aureus.ToolError, "the data could not be judged: "+err.Error())
	}
	matches, violated, err := schema.validate(ctx, data, extentOf(data))
	s.free <- schema
	switch {
	case errors.Is(err, errSteps):
		return crvgate.Fail(aureus.ToolError, fmt.Sprintf("the data could not be judged: the schema takes more than %d steps for it", MaxSchemaSteps))
	case err != nil:
		return crvgate.Fail(aureus.ToolError, "the data could not be judged: "+err.Error())
	case matches:
		return crvgate.Pass()
	case violated == nil:
		return crvgate.Fail(aureus.Conflict, "the data does not match the schema, in more than can be listed")
	default:
		return resultOf(violated)
	}
}

// boundSchema says whether a schema is small enough to be compiled.
func boundSchema(document any) error {
	if n := countValues(document); n > MaxSchemaValues {
		return failed([]registry.Problem{{Pointer: "/schema", Message: fmt.Sprintf("holds %d values, and %d are the limit", n, MaxSchemaValues)}})
	}
	if pointer, ok := boundNumbers(document, ""); !ok {
		return failed([]registry.Problem{{Pointer: "/schema" + pointer, Message: fmt.Sprintf("has more than %d digits, or such an exponent", MaxDigits)}})
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

// boundNumbers reports whether arithmetic on the numbers of a value is cheap,
// and else where it is not. What is no JSON number is not cheap either.
func boundNumbers(value any, pointer string) (string, bool) {
	switch value := value.(type) {
	case json.Number:
		return pointer, isCheap(string(value))
	case []any:
		for i, item := range value {
			if isLeaf(item) {
				continue
			}
			if at, ok := boundNumbers(item, pointer+"/"+strconv.Itoa(i)); !ok {
				return at, false
			}
		}
	case map[string]any:
		for name, item := range value {
			if isLeaf(item) {
				continue
			}
			if at, ok := boundNumbers(item, pointer+"/"+strictjson.Token(name)); !ok {
				return at, false
			}
		}
	}
	return "", true
}

// isLeaf reports whether there is nothing to bound, so that no pointer is made.
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
