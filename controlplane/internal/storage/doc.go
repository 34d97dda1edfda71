// Package storage defines how the control plane stores its data: API keys,
// approvals, the audit log, decisions and their outcomes, policy bundles, stops and
// budgets, validators, and workflow runs. [Store] is an open database, [Tx] is one transaction, and each kind of data
// has an interface of its own.
//
// A backend implements [Store], and [Rows], which reads and writes plain rows in one
// transaction. The rules are in this package, so that all backends share them: who
// may decide an approval, which approvals end with a revoked key, how an entry is
// added to the audit log, which outcome counts. [NewTx] combines the rules with the
// rows of a backend. Operations on many rows ([VerifyAudit], [EachAudit], [Prune],
// [PruneArchived]) use several transactions of a Store. Package sqlite is a backend.
// Package storagetest is the test suite that every backend must pass.
//
// A backend must guarantee:
//
//   - An update is atomic and durable: when [Store.Update] returns nil, the
//     changes are on the disk; when it returns an error, nothing has changed.
//   - Updates are serializable: the result is as if they had run one after the
//     other. A view sees one committed state of the database, which does not change
//     while the view runs.
//   - The entries of one tenant's audit log have the sequences 1, 2, 3, … without
//     a gap and in the order of their commits. An entry is in the same
//     transaction as the change that it describes.
//   - The function given to Update may be called more than once, for example
//     after a serialization failure. Each call gets a new transaction; what an
//     earlier call wrote is rolled back. Therefore the function must change nothing
//     outside of its transaction, except that each call may assign its results to
//     variables of the caller.
//   - Failures of the database, its disk or its connection match
//     [ErrUnavailable]; nothing has changed then.
//
// This package does not check the permissions of callers. The state changes that one
// approval allows are in package internal/approval.
package storage
