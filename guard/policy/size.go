package policy

import "math"

// How many bytes of memory the parts of a compiled bundle take at most. They were measured
// with bundles that consist of one kind of part; a test does so again.
const (
	sizeOfByte      = 48      // of the text: everything that grows with the text alone
	sizeOfCondition = 6 << 10 // an expression, beside its text
	sizeOfCharacter = 256     // of an expression: each may be an operator
	sizeOfAction    = 512     // an action, beside its text
	sizeOfValue     = 256     // a value of params
	sizeOfKeyword   = 2 << 10 // a value of a JSON Schema
	sizeOfMatch     = 288     // a rule or budget for an action that it matches
	sizeOfRead      = 256     // the name of an argument that an action reads
	sizeOfHolder    = 64      // a grant that may cover a required permission
)

// MemorySize returns about how many bytes of memory the compiled bundle takes. It is rather
// too high than too low, for some bundles several times, and depends on the text of the
// bundle alone. Programs that keep the bundles of others can limit their memory by it. A nil
// or zero Bundle has none.
func (b *Bundle) MemorySize() int64 {
	if b == nil {
		return 0
	}
	return b.size
}

// measure computes the size of the compiled bundle.
func (c *compiler) measure() (size int64) {
	b := c.bundle
	size = sizeOfByte*int64(len(b.text)) + sizeOfValue*values(b.params) + sizeOfRead*int64(c.reads)
	for text := range c.conditions {
		size += sizeOfCondition + sizeOfCharacter*int64(len(text))
	}
	for _, budget := range b.budgets {
		if budget.sum != nil {
			size += sizeOfCondition + sizeOfCharacter*int64(len(budget.sum.text))
		}
	}
	for _, a := range b.order {
		size += sizeOfAction + sizeOfMatch*int64(len(a.matched)+len(a.budgets))
		if a.schemaSource != nil {
			size += sizeOfKeyword * values(a.schemaSource)
		}
		for n := range a.requires {
			r := &a.requires[n]
			size += int64(len(b.roles)) / 8 // the set of roles
			for _, grants := range r.depending {
				size += sizeOfHolder * int64(len(grants)+1)
			}
		}
	}
	return size
}

// values returns the number of values in a free-form value, where ten characters of a text
// are a value.
func values(value any) int64 {
	left := math.MaxInt
	weigh(value, &left)
	return int64(math.MaxInt - left)
}
