package rules

import (
	"encoding/json"
	"math/big"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const (
	digitsPerStep  = 16 // of a number, its exponent's value included
	scopesPerStep  = 16 // schemas that a dynamic reference looks for its anchor in
	levelsPerStep  = 16 // of a value's place, which is copied for each value
	comparesPrices = 2  // of comparing two small numbers
)

// cost is a number of steps, and how many numbers of the schema a value is
// compared with: each of those costs more, the longer the numbers of the data
// are.
type cost struct{ steps, numbers int }

func (c cost) plus(other cost) cost { return cost{c.steps + other.steps, c.numbers + other.numbers} }

func dearer(a, b cost) cost { return cost{max(a.steps, b.steps), max(a.numbers, b.numbers)} }

func (c cost) of(size extent) int { return c.steps + c.numbers*size.number }

// price is what a schema's own keywords cost, and entering those right below it.
type price struct {
	fixed, property, item cost

	inPlace int  // schemas for the same value that copy its names; 0 where nobody asks what is evaluated
	below   int  // schemas for the values in it that copy their names
	number  cost // of the keywords for numbers
	number2 int  // how often a number is read for them
	dynamic bool // it has a dynamic reference
	doc     document
}

// document is what is known of all schemas of a document.
type document struct {
	dearest     cost // of entering a schema: a dynamic reference may lead to any
	inPlace     int  // how many schemas may follow one another for one value
	unevaluated bool // some schema asks what is evaluated
}

func documentOf(schemas []*jsonschema.Schema, deepest int) document {
	doc := document{dearest: cost{steps: 1}, inPlace: deepest}
	for _, schema := range schemas {
		doc.dearest = dearer(doc.dearest, entry(schema))
		doc.unevaluated = doc.unevaluated || asksUnevaluated(schema)
	}
	return doc
}

func asksUnevaluated(s *jsonschema.Schema) bool {
	return s.UnevaluatedProperties != nil || s.UnevaluatedItems != nil
}

// of is the price for one value.
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
		total.steps += p.number2 * numberSize(value)
	}
	total.steps += members * (p.inPlace + size.depth/levelsPerStep)
	if p.dynamic {
		total.steps += size.depth * p.doc.inPlace / scopesPerStep
	}
	return total.of(size)
}

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

// entry is what a schema costs before it counts itself.
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

// comparing is what it costs to compare a value with one of the schema.
func comparing(value any) cost {
	total := cost{steps: 1}
	switch value := value.(type) {
	case json.Number:
		total = cost{steps: comparesPrices + numberSize(value), numbers: 1}
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

func priceOf(s *jsonschema.Schema, doc document) price {
	p := price{doc: doc, property: cost{steps: 1}} // the library looks at each name in any case
	p.fixed.steps = 1 + len(s.Required) + len(s.DependentRequired) + len(s.Dependencies)
	sameValue := inPlace(s)
	for _, schema := range sameValue {
		p.fixed = p.fixed.plus(entry(schema))
	}
	if s.DynamicRef != nil {
		p.dynamic = true
		p.fixed = p.fixed.plus(doc.dearest)
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
	dearest, copies := cost{}, 0
	for _, schema := range s.Properties {
		dearest = dearer(dearest, entry(schema))
		if asksUnevaluated(schema) {
			copies = 1
		}
	}
	p.property, p.below = p.property.plus(dearest), p.below+copies
	for _, schema := range s.PatternProperties {
		p.add(&p.property, schema)
	}
	if additional, ok := s.AdditionalProperties.(*jsonschema.Schema); ok {
		p.add(&p.property, additional)
	}
	p.property = p.property.plus(entry(s.PropertyNames)) // for names, which have no names in them
	p.add(&p.property, s.UnevaluatedProperties)
}

func (p *price) priceItems(s *jsonschema.Schema) {
	p.add(&p.item, s.Items2020)
	p.add(&p.item, s.Contains)
	p.add(&p.item, s.UnevaluatedItems)
	if s.Items2020 != nil || s.Contains != nil || s.UnevaluatedItems != nil || len(s.PrefixItems) > 0 {
		p.item.steps++
	}
	dearest, copies := cost{}, 0
	for _, schema := range s.PrefixItems {
		dearest = dearer(dearest, entry(schema))
		if asksUnevaluated(schema) {
			copies = 1
		}
	}
	p.item, p.below = p.item.plus(dearest), p.below+copies
}

// add counts a schema for values in this one.
func (p *price) add(to *cost, schema *jsonschema.Schema) {
	if schema == nil {
		return
	}
	*to = to.plus(entry(schema))
	if asksUnevaluated(schema) {
		p.below++
	}
}

// priceNumbers counts the keywords for numbers. A division takes the square of
// the digits.
func (p *price) priceNumbers(s *jsonschema.Schema) {
	const division = 8
	for _, bound := range []*big.Rat{s.Minimum, s.Maximum, s.ExclusiveMinimum, s.ExclusiveMaximum} {
		if bound != nil {
			p.number.steps += 1 + ratSize(bound)
			p.number2 = max(p.number2, 1)
		}
	}
	if s.MultipleOf != nil {
		p.number.steps += 1 + division*ratSize(s.MultipleOf)
		p.number2 = division
	}
}

func ratSize(n *big.Rat) int {
	const bitsPerDigit = 3
	return (n.Num().BitLen() + n.Denom().BitLen()) / bitsPerDigit / digitsPerStep
}

// extent is what is known of data before it is judged.
type extent struct {
	number int // what arithmetic with its dearest number costs, beside the usual
	depth  int // how deep objects and arrays are nested, itself included
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

// digitsOf are how many digits a number has, with the zeros that its exponent
// stands for. The number is cheap: see isCheap.
func digitsOf(number string) int {
	mantissa, exponent, found := strings.Cut(strings.ToLower(number), "e")
	if !found {
		return len(number)
	}
	n, _ := strconv.Atoi(exponent)
	return len(mantissa) + max(n, -n)
}
