// Package storage says what the control plane keeps and what it needs of a
// database for that: API keys, approvals, the audit log, decisions and their
// outcomes, validators, and the runs of workflows. [Store] is an open database,
// [Tx] one transaction on it, and each kind of data has an interface of its own.
//
// A backend implements [Store] and [Rows], which is one transaction as plain rows.
// The rules stand above the rows, in this package, and [NewTx] joins the two: who
// may decide an approval, what ends with a revoked key, how the chain of the audit
// log goes on, which outcome counts. What walks through many rows ([VerifyAudit],
// [EachAudit], [Prune], [PruneArchived]) is written once above Store. Package
// sqlite is one backend; package storagetest is the test suite that every backend
// has to pass.
//
// What a backend has to guarantee:
//
//   - An update is atomic and durable: when [Store.Update] returns nil, the
//     changes are on the disk; when it returns an error, none is.
//   - Updates are serializable: each one reads what all updates committed before
//     it have written, and two of them never both act on the same earlier state.
//     A view sees one state of the database that does not change while it runs.
//   - The entries of one tenant's audit log have the sequences 1, 2, 3, … without
//     a gap and in the order of their commits. An entry is in the same
//     transaction as the change that it describes.
//   - The function given to Update may be called more than once, for example
//     after a serialization failure. Each call sees a transaction of its own;
//     what the earlier calls wrote is rolled back. Such a function therefore
//     changes nothing outside of its transaction, except that it may assign its
//     results to variables of its caller, every time that it is called.
//   - Failures of the database, its disk or its connection match
//     [ErrUnavailable]; nothing was changed then.
//
// Access is checked by the callers. What one approval may become is decided by
// package internal/approval.
package storage
