// Package controlplane is the Aureus control plane: a policy decision point
// (PDP) with people behind it, a validation gate, an audit log that shows
// tampering, and a store of telemetry, behind the HTTP API that clients of
// Aureus speak.
//
// # In your process
//
// A [Server] is an [http.Handler]. It needs nothing but a file, and its own
// clients need no socket:
//
//	srv, err := controlplane.Open(ctx, controlplane.Config{DB: "aureus.db"})
//	if err != nil {
//		return err
//	}
//	defer srv.Close()
//	client := srv.Client()            // a service: evaluates, validates, reports
//	alice := srv.Operator("alice")    // a person: decides approvals, reads everything
//
// Serve it to others with any [http.Server]; its [Server.Keys] make the keys
// that they need. The command aureus does just that.
//
// # What it promises
//
// It decides with the same package guard, and validates with the same package
// crvgate, that a service embeds: local and remote answers do not differ. A
// denial is an answer with status 200; what cannot be decided is an error and
// never an allow. Every answer with a status of 2xx is on the disk before it
// goes out, together with its entry in the audit log: both are written in one
// transaction. Every error is JSON: {"error", "code", "details", "remediation",
// "request_id"}, the last of which stands in the log as well.
//
// # Approvals
//
// What needs a person becomes an approval, bound to the digest of everything
// that was asked (guard.Digest). It is decided by an operator who sees what the
// digest covers, secrets hidden, and who did not ask for it, within
// [Config.ApprovalLifetime]; it lets the same unchanged request of the subject
// that asked pass once, within [Config.ApprovalUseTime] from then. Asking the same
// again joins the approval that the subject has; other subjects have their own.
//
// # Keys and tenants
//
// A key has a subject, a [Role], a tenant, and the principals it may speak for.
// A tenant sees nothing of another one. Without keys, in development mode, only
// this machine is answered.
//
// # Workflows
//
// A workflow's tasks run the tools of [Config.Tools], one at a time, each only if
// the policy allows it. A run is kept after every step: it goes on after a
// restart, and once an approval that it waits for is given.
package controlplane
