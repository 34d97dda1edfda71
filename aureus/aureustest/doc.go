// Package aureustest is a policy decision point (PDP) for tests of services that use
// package aureus. It runs in the process of the test, needs no configuration, and
// returns the decisions that the test sets.
//
// Make a [Server], pass its client to the service in place of the production client, and
// set which actions are allowed. Every other action is denied:
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
// The client is a real [aureus.Client]. Its requests go over HTTP, and the server reads
// them as strictly as a control plane does and responds in the same form. So a test can
// check what happens in production: approvals that a person decides and that one request
// can use ([Server.Approve]), gates ([Server.Gate]), telemetry, decision records and
// outcomes ([Server.Requests]), and the failures of a control plane ([Server.Fault]). The
// client never returns an allow because of a fault; a test with faults checks that the
// service does not carry out the request either.
//
// # Time
//
// Approvals expire by the server's own [Clock], whose time changes only when the test
// moves it. The timeouts and retries of the client and a [Slow] server take real time, or no
// time inside a testing/synctest bubble, since the connections between [Server.Client]
// and the server are in memory.
//
// # Limits
//
// The server has no policy: permissions, tools and risk tiers have no effect, unless the
// function given to [Server.Decide] uses them. To test policy rules, use guard.Local or a
// control plane in the process (controlplane.Open). Workflows, the stream, and reading the
// audit log need such a control plane too; this server responds with 501.
package aureustest
