// Package controlplane is the Aureus control plane: a server for the HTTP API that
// Aureus clients use. It decides requests (a policy decision point, PDP), lets people
// approve risky ones, validates commits, runs workflows, stores telemetry, and keeps an
// audit log in which changes can be detected.
//
// # In your process
//
// A [Server] is an [http.Handler]. It needs only a database file, and its clients in
// the same process need no socket:
//
//	srv, err := controlplane.Open(ctx, controlplane.Config{DB: "aureus.db"})
//	if err != nil {
//		return err
//	}
//	defer srv.Close()
//	client := srv.Client()            // a service: evaluates, validates, reports
//	alice := srv.Operator("alice")    // a person: decides approvals, reads everything
//
// To serve other processes, use any [http.Server], and create keys for them with
// [Server.Keys]. The command aureus does that.
//
// # Guarantees
//
// The server decides with the same package guard, and validates with the same package
// crvgate, that services can embed, so local and remote results are the same. A denial
// is a response with status 200. If a request cannot be decided, the response is an
// error, never an allow. Before a response with a status of 2xx is sent, the change and
// its entry in the audit log are on the disk, written in one transaction. Every error is
// a JSON object with the members error, code, details, remediation and request_id; the
// request id is also in the log.
//
// # Approvals
//
// If the policy requires a person, the server creates an approval, which is bound to the
// digest of the request (guard.Digest). An operator decides it within
// [Config.ApprovalLifetime]. The operator sees everything that the digest covers, with
// secrets hidden, and must not be the subject that requested the approval. After that
// the same unchanged request of the same subject is allowed once, within
// [Config.ApprovalUseTime]. Requesting the same approval again returns the existing one
// of the subject; each subject has its own.
//
// # Keys and tenants
//
// A key has a subject, a [Role], a tenant, and the principals for which it may speak. A
// tenant cannot see the data of another one. In development mode, which requires no
// keys, the server answers only requests from the same machine.
//
// # Workflows
//
// The tasks of a workflow run the tools of [Config.Tools], one after the other, each
// only if the policy allows it. The state of a run is stored after every step. The run
// continues after a restart, and when an approval for which it waits is approved.
package controlplane
