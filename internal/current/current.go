// Package current has the context keys of the current request: for the decision that
// allowed it, which packages middleware and aureus set and code that records the result of
// a gate reads, and for a request whose body cannot be bound or whose path is not clear.
package current

// Decision is the key. The value is an aureus.Decision.
type Decision struct{}

// Unbound is the key for requests whose body cannot be bound by an approval, because it is
// not known before the handler runs. Package middleware then tells the decider so, and does
// not read the body. The value is not used.
type Unbound struct{}

// Refused is the key for requests that no decision may be made on, because an adapter for a
// router found that the handler might read another path value than the policy. The value is
// the reason, a text for the caller. It counts only for a request without a pattern, which
// package middleware then answers with 400.
type Refused struct{}
