// Package web is the HTTP kernel of the control plane. For each request it finds the
// route, authenticates the key, applies the limits, reads the body, sends a stored
// response if the request repeats an earlier one, and writes the response or the error
// in the form that all paths share.
//
// It does not contain what a path does: the packages policy, approvals, audit, crv,
// observe and runs each return a list of [Route], and a [Kernel] serves them.
package web
