// Package wiregate validates a commit with a gate configuration that names validators
// by their ids. It limits the steps and the time that all validators of the gate may
// use together. The caller of the package supplies a function that finds a validator
// by its id. Package crvgate/registry and the control plane use it, so that both give
// the same results.
package wiregate
