// Package examples holds runnable examples of Aureus for Go, one a folder:
//
//   - quickstart: everything together, as a story that checks itself
//   - guard-handler: a policy guard before an http.Handler
//   - gate-function: validate a change before it is made
//   - gate-transaction: a gate inside a database transaction, which is rolled back
//     when the change is blocked
//   - export-traces: OpenTelemetry spans into Aureus and back
//   - embed-controlplane: a control plane in the process, with an approval
//   - workflow-approval: a workflow with a task that a person approves, and what is
//     undone when a later task fails
//   - routers: a guard in front of gin, echo, chi and gorilla/mux, and the traps;
//     a module of its own
package examples
