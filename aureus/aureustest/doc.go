// Package aureustest is an Aureus for the tests of services that ask one: a
// policy decision point (PDP) whose answers a test writes down, in the process
// and without configuration.
//
// Make one, hand its client to the service as production hands in a real one,
// and say what is allowed. What nobody scripted is denied:
//
//	func TestTransfers(t *testing.T) {
//		srv := aureustest.New(t)
//		srv.Allow("balance.read")
//		srv.RequireApproval("transfer.make")
//
//		service := bank.New(srv.Client())
//		…
//		aureustest.RequireAllowed(t, srv, "balance.read", "agent-7")
//	}
//
// The client is a real one. What it says goes over HTTP, is read as strictly as
// a control plane reads it and answered in the same form, so that a test sees
// what production sees: approvals that a person decides and that let one
// request pass once ([Server.Approve]), gates ([Server.Gate]), telemetry,
// decision records and outcomes ([Server.Requests]), and every way in which a
// control plane fails ([Server.Fault]). No fault becomes an allow; a test that
// sets one shows that the service around the client does not make it one
// either.
//
// # Time
//
// Approvals live by the server's own [Clock], which stands still until a test
// moves it. Waiting in the client (timeouts, retries, a [Slow] server) takes
// real time, or none at all inside a testing/synctest bubble: between
// [Server.Client] and the server there is no socket, only memory.
//
// # What it is not
//
// It has no policy of its own: permissions, tools and risk tiers decide nothing
// here unless the function given to [Server.Decide] looks at them. Where the
// rules themselves are under test, use guard.Local, or a control plane in the
// process (controlplane.Open). Workflows, the stream and the reading of the
// audit log are served there only; here they are answered with 501.
package aureustest
