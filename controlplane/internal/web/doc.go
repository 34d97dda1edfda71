// Package web is the HTTP kernel of the control plane: it finds the route of a
// request, authenticates its key, counts the request against the limits, reads
// bodies, replays stored responses to repeated requests, and writes responses and
// errors in the form that every path shares.
//
// What a path does is not here. The packages beside this one (policy, approvals,
// audit, crv, observe, runs) give their routes as data, a list of [Route], and a
// [Kernel] serves them.
package web
