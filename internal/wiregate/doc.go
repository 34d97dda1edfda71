// Package wiregate is the gate that callers describe in a request: a commit, a gate
// configuration that names validators by their ids, and bounds on what all of them
// together may cost. The caller of the package says where a validator with an id is
// found. Package crvgate/registry and the control plane use it, so that both give
// the same answers.
package wiregate
