// Package approvals serves the approvals of the control plane: asking for one,
// listing them, deciding them and using them. The states of an approval and the
// moves between them are in the module's package internal/approval; how they are
// stored is in package storage.
package approvals
