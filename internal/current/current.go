// Package current has the context key under which a decision travels with what it
// allowed: package middleware puts it there, package aureus too, and what records
// a gate's result looks for it.
package current

// Decision is the key. The value is an aureus.Decision.
type Decision struct{}
