// Package aureus is the typed client of the Aureus API and the vocabulary that
// the other packages share.
//
// A [Client] does what the published Python SDK does, under the same names:
// workflows, commit validation (CRV, Circuit Reasoning Validation), policy and
// observability; and what this project's control plane adds to it: approvals,
// the audit log, batches and queries. It needs no configuration for a control
// plane on this machine:
//
//	client, err := aureus.NewClient("")
//
// The vocabulary is [Request], [Decision] and [Effect]: what may be asked of a
// policy decision point and what it answers. The zero value of each refuses.
// Client.Decide answers such a request, so a client can stand wherever package
// guard wants something that decides.
//
// # Failing closed
//
// An answer that a decision depends on is read strictly: duplicate names, names
// in another case, words that are not in the contract, missing fields, trailing
// data, another content type, a redirect, or an answer that says two things are
// errors ([ErrMalformed]), never a guess. An error never comes with an allow.
//
// # Free-form values
//
// Fields of type any and map[string]any are free-form: they take every value
// that has a JSON form, and come back as nil, bool, string, encoding/json.Number,
// []any and map[string]any. Numbers keep their digits, also beyond 2^53. In
// declared fields null and absent are the same; in free-form values null is a
// value.
//
// References such as "SPEC 1.4" name sections of the API document that this
// project implements.
package aureus
