// Package controlplane is the Aureus control plane: a server for the HTTP API that
// Aureus clients use. It decides requests (a policy decision point, PDP), lets people
// approve risky ones, validates commits, runs workflows, stores telemetry, and keeps a
// tamper-evident audit log.
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
// The server decides with package guard and validates with package crvgate. Services
// can embed the same packages, so local and remote results are the same. A denial is a
// response with status 200. If a request cannot be decided, the response is an error,
// never an allow. Before a response with a status of 2xx is sent, the change and its
// entry in the audit log are on the disk, written in one transaction. Every error is a
// JSON object with the members error, code, details, remediation and request_id; the
// request id is also in the log.
//
// # Approvals
//
// If the policy requires the approval of a person, the server creates an approval, which
// is bound to the digest of the request (guard.Digest). An operator approves or rejects
// it within [Config.ApprovalLifetime]. The operator sees everything that the digest
// covers, with secrets redacted, and must not be the subject that requested the
// approval. Once it is approved, the subject may send the same request again: it is
// allowed once, within [Config.ApprovalUseTime]. A subject that requests the same
// approval again gets the existing one; each subject has its own.
//
// # Keys and tenants
//
// A key has a subject, a [Role], a tenant, and the principals for which it may speak. A
// key of one tenant gives no access to the data of another. Development mode
// ([Config.Dev]) requires no key for the role service; the server then answers only
// requests from the same machine.
//
// # Workflows
//
// The tasks of a workflow call the tools of [Config.Tools], one at a time, and each only
// if the policy allows it. The state of a run is stored after every step, so a run
// continues after a restart. A run that waits for an approval continues when the
// approval is approved.
package controlplane
