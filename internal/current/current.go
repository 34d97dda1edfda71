// Package current has the context key for the decision that allowed the current
// request. Packages middleware and aureus set the value; code that records the result
// of a gate reads it.
package current

// Decision is the key. The value is an aureus.Decision.
type Decision struct{}
