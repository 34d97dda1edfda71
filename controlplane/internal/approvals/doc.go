// Package approvals serves the approvals of the control plane: requesting, listing,
// deciding and consuming them. The states of an approval and the transitions between
// them are in the package internal/approval of the main module; package storage
// stores them.
package approvals
