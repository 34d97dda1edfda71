// Package examples holds runnable examples of Aureus for Go, one in each folder:
//
//   - quickstart: everything together, as a sequence of requests with checked responses
//   - policy-file: a policy bundle in a file, in front of an http.Handler
//   - guard-handler: a guard whose actions and permissions are defined in Go
//   - gate-function: validate a change before it is made
//   - gate-transaction: a gate inside a database transaction, which is rolled back
//     when the change is blocked
//   - export-traces: export OpenTelemetry spans to Aureus and read them back
//   - embed-controlplane: a control plane in the process, with an approval
//   - workflow-approval: a workflow with a task that a person approves, and with
//     compensations that run when a later task fails
package examples
