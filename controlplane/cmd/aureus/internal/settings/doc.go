// Package settings finds the control plane and the API key that the command uses, and
// keeps which approvals it has displayed.
package settings
