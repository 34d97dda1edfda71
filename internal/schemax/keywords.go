package schemax

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// uniqueItems implements the keyword uniqueItems. The library compares each pair of items
// that have the same hash, and it is easy to construct arrays whose items all have the same
// hash. Here each item is encoded once in a canonical form, and the texts are compared.
type uniqueItems struct{ meter *meter }

// Validate implements the library's SchemaExt.
func (u *uniqueItems) Validate(ctx *jsonschema.ValidatorContext, value any) {
	items, ok := value.([]any)
	if !ok {
		return
	}
	seen := make(map[string]int, len(items))
	var text []byte
	for i, item := range items {
		text = u.meter.canonical(text[:0], item)
		if first, found := seen[string(text)]; found {
			ctx.AddError(&kind.UniqueItems{Duplicates: [2]int{first, i}})
			return
		}
		seen[string(text)] = i
	}
}

// canonical appends a value in a form that is the same for equal values: names are sorted,
// and numbers are written as digits and exponent.
func (m *meter) canonical(text []byte, value any) []byte {
	m.charge(1)
	switch value := value.(type) {
	case nil:
		return append(text, 'n')
	case bool:
		return strconv.AppendBool(text, value)
	case string:
		m.charge(len(value) / 64)
		return appendText(text, value)
	case json.Number:
		m.charge(numberSize(value))
		return append(append(text, '#'), canonicalNumber(string(value))...)
	case []any:
		text = append(text, '[')
		for _, item := range value {
			text = append(m.canonical(text, item), ',')
		}
		return append(text, ']')
	case map[string]any:
		text = append(text, '{')
		for _, name := range slices.Sorted(maps.Keys(value)) {
			m.charge(len(name) / 64)
			text = append(appendText(text, name), ':')
			text = append(m.canonical(text, value[name]), ',')
		}
		return append(text, '}')
	default:
		return append(text, '?')
	}
}

// appendText appends a string after its length, so that it needs no escapes.
func appendText(text []byte, value string) []byte {
	return append(append(strconv.AppendInt(append(text, '"'), int64(len(value)), 10), '"'), value...)
}

// canonicalNumber returns the digits of a number, without zeros at either end, and the
// exponent of the first digit.
func canonicalNumber(number string) string {
	unsigned, negative := strings.CutPrefix(number, "-")
	mantissa, exponent, _ := strings.Cut(strings.ToLower(unsigned), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := whole + fraction
	leading := len(digits) - len(strings.TrimLeft(digits, "0"))
	digits = strings.Trim(digits, "0")
	if digits == "" {
		return "0"
	}
	point, _ := strconv.Atoi(exponent) // bounded: see isCheap
	point += len(whole) - leading
	if negative {
		digits = "-" + digits
	}
	return digits + "e" + strconv.Itoa(point)
}

// propertyNames implements the keyword propertyNames. The library reports its violations with the
// pointer of another value.
type propertyNames struct{ schema *jsonschema.Schema }

// Validate implements the library's SchemaExt.
func (p *propertyNames) Validate(ctx *jsonschema.ValidatorContext, value any) {
	object, ok := value.(map[string]any)
	if !ok {
		return
	}
	for name := range object {
		if err := ctx.Validate(p.schema, name, []string{name}); err != nil {
			ctx.AddError(&kind.PropertyNames{Property: name})
		}
	}
}
