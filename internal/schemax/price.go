package schemax

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	digitsPerStep  = 16 // digits of a number, written without an exponent
	scopesPerStep  = 16 // schemas in which a dynamic reference looks for its anchor
	levelsPerStep  = 16 // levels of a value's location, which is copied for each value
	stepsToCompare = 2  // steps of comparing two short numbers
)

// cost is the cost of a schema for one value: a number of steps, and a number of
// comparisons with numbers of the schema, which cost more if the data has longer numbers.
type cost struct{ steps, numbers int }

func (c cost) plus(other cost) cost { return cost{c.steps + other.steps, c.numbers + other.numbers} }

// higher returns the higher of two costs, for steps and comparisons separately.
func higher(a, b cost) cost { return cost{max(a.steps, b.steps), max(a.numbers, b.numbers)} }

func (c cost) of(size extent) int { return c.steps + c.numbers*size.number }

// price holds the costs of the keywords of one schema, with the cost of entering the
// schemas that it applies. fixed is the cost for each value; property and item are the
// costs for each property and each item of the value.
type price struct {
	fixed, property, item cost

	inPlace     int  // schemas that copy the names of the same value; 0 without unevaluated keywords in the document
	below       int  // schemas that copy the names of values inside the value
	number      cost // of the keywords for numbers
	numberReads int  // number of times that those keywords read the number in the data
	dynamic     bool // the schema has a dynamic reference
	doc         document
}

// document holds the properties of the whole document that the price of a schema depends
// on.
type document struct {
	maxEntry    cost // the highest cost of entering a schema: a dynamic reference may refer to any schema
	inPlace     int  // maximum number of schemas that refer to one another for one value
	unevaluated bool // some schema has unevaluatedProperties or unevaluatedItems
}

func documentOf(schemas []*jsonschema.Schema, deepest int) document {
	doc := document{maxEntry: cost{steps: 1}, inPlace: deepest}
	for _, schema := range schemas {
		doc.maxEntry = higher(doc.maxEntry, entry(schema))
		doc.unevaluated = doc.unevaluated || hasUnevaluated(schema)
	}
	return doc
}

// hasUnevaluated reports whether a schema depends on what other schemas have evaluated.
func hasUnevaluated(s *jsonschema.Schema) bool {
	return s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil
}

// of returns the number of steps for one value.
func (p *price) of(value any, size extent) int {
	total, members := p.fixed, 0
	switch value := value.(type) {
	case map[string]any:
		members = len(value)
		total = total.plus(cost{members * p.property.steps, members * p.property.numbers})
		if p.below > 0 {
			for _, item := range value {
				total.steps += p.below * lengthOf(item)
			}
		}
	case []any:
		members = len(value)
		total = total.plus(cost{members * p.item.steps, members * p.item.numbers})
		if p.below > 0 {
			for _, item := range value {
				total.steps += p.below * lengthOf(item)
			}
		}
	case string:
		total.steps += len(value) / 64
	case json.Number:
		total = total.plus(p.number)
		total.steps += p.numberReads * numberSize(value)
	}
	total.steps += members * (p.inPlace + size.depth/levelsPerStep)
	if p.dynamic {
		total.steps += size.depth * p.doc.inPlace / scopesPerStep
	}
	return total.of(size)
}

// lengthOf returns the number of properties or items of a value.
func lengthOf(value any) int {
	switch value := value.(type) {
	case map[string]any:
		return len(value)
	case []any:
		return len(value)
	default:
		return 0
	}
}

// entry returns the cost of a schema before its own format counts steps.
func entry(schema *jsonschema.Schema) cost {
	total := cost{steps: 1}
	if schema == nil {
		return cost{}
	}
	if schema.Enum != nil {
		for _, value := range schema.Enum.Values {
			total = total.plus(comparing(value))
		}
	}
	if schema.Const != nil {
		total = total.plus(comparing(*schema.Const))
	}
	return total
}

// comparing returns the cost of comparing the data with a value of the schema.
func comparing(value any) cost {
	total := cost{steps: 1}
	switch value := value.(type) {
	case json.Number:
		total = cost{steps: stepsToCompare + numberSize(value), numbers: 1}
	case []any:
		for _, item := range value {
			total = total.plus(comparing(item))
		}
	case map[string]any:
		for _, item := range value {
			total = total.plus(comparing(item))
		}
	}
	return total
}

// priceOf computes the price of a schema.
func priceOf(s *jsonschema.Schema, doc document) price {
	p := price{doc: doc, property: cost{steps: 1}} // the library examines each name of an object
	p.fixed.steps = 1 + len(s.Required) + len(s.DependentRequired) + len(s.Dependencies)
	sameValue := inPlace(s)
	for _, schema := range sameValue {
		p.fixed = p.fixed.plus(entry(schema))
	}
	if s.DynamicRef != nil {
		p.dynamic = true
		p.fixed = p.fixed.plus(doc.maxEntry)
	}
	if doc.unevaluated {
		p.inPlace = len(sameValue) + 1
	}
	for _, names := range s.DependentRequired {
		p.fixed.steps += len(names)
	}
	for _, dependency := range s.Dependencies {
		if names, ok := dependency.([]string); ok {
			p.fixed.steps += len(names)
		}
	}
	p.priceProperties(s)
	p.priceItems(s)
	p.priceNumbers(s)
	return p
}

func (p *price) priceProperties(s *jsonschema.Schema) {
	highest, copies := cost{}, 0
	for _, schema := range s.Properties {
		highest = higher(highest, entry(schema))
		if hasUnevaluated(schema) {
			copies = 1
		}
	}
	p.property, p.below = p.property.plus(highest), p.below+copies
	for _, schema := range s.PatternProperties {
		p.add(&p.property, schema)
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		p.add(&p.property, additional)
	}
	p.property = p.property.plus(entry(s.PropertyNames)) // names are strings, so nothing is copied for them
	p.add(&p.property, s.UnevaluatedProperties)
}

func (p *price) priceItems(s *jsonschema.Schema) {
	p.add(&p.item, s.Items2020)
	p.add(&p.item, s.Contains)
	p.add(&p.item, s.UnevaluatedItems)
	if s.Items2020 != nil || s.Contains != nil || s.UnevaluatedItems != nil || len(s.PrefixItems) > 0 {
		p.item.steps++
	}
	highest, copies := cost{}, 0
	for _, schema := range s.PrefixItems {
		highest = higher(highest, entry(schema))
		if hasUnevaluated(schema) {
			copies = 1
		}
	}
	p.item, p.below = p.item.plus(highest), p.below+copies
}

// add adds the cost of a schema that is applied to values inside the value.
func (p *price) add(to *cost, schema *jsonschema.Schema) {
	if schema == nil {
		return
	}
	*to = to.plus(entry(schema))
	if hasUnevaluated(schema) {
		p.below++
	}
}

// priceNumbers adds the cost of the keywords for numbers.
func (p *price) priceNumbers(s *jsonschema.Schema) {
	const division = 8 // times the steps of a comparison, because division is quadratic in the digits
	for _, bound := range []*big.Rat{s.Minimum, s.Maximum, s.ExclusiveMinimum, s.ExclusiveMaximum} {
		if bound != nil {
			p.number.steps += 1 + ratSize(bound)
			p.numberReads = max(p.numberReads, 1)
		}
	}
	if s.MultipleOf != nil {
		p.number.steps += 1 + division*ratSize(s.MultipleOf)
		p.numberReads = division
	}
}

// ratSize returns the numberSize of a number of the schema.
func ratSize(n *big.Rat) int {
	const bitsPerDigit = 3
	return (n.Num().BitLen() + n.Denom().BitLen()) / bitsPerDigit / digitsPerStep
}

// extent holds the properties of the whole data that the cost of a validation depends on.
type extent struct {
	number int // the highest numberSize of its numbers
	depth  int // levels of nested objects and arrays; 1 for a value that is neither
}

func extentOf(value any) extent {
	size := extent{depth: 1}
	visit := func(item any) {
		switch item.(type) {
		case []any, map[string]any, json.Number:
			inner := extentOf(item)
			size.number, size.depth = max(size.number, inner.number), max(size.depth, inner.depth+1)
		}
	}
	switch value := value.(type) {
	case json.Number:
		size.number = numberSize(value)
	case []any:
		for _, item := range value {
			visit(item)
		}
	case map[string]any:
		for _, item := range value {
			visit(item)
		}
	}
	return size
}

// digitsOf returns the number of digits that a number has without an exponent. isCheap
// must be true for the number.
func digitsOf(number string) int {
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	if !found {
		return len(number)
	}
	n, _ := strconv.Atoi(exponent)
	return len(mantissa) + max(n, -n)
}
