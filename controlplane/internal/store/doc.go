// Package store is the control plane's embedded store: one SQLite file for
// keys, approvals, validators and the audit log. What an acknowledged write
// changed is on the disk, together with the audit entry that tells of it: both
// are written in one transaction, with synchronous=FULL.
//
// The file belongs to one server process at a time, which holds an operating
// system lock on a file beside it. The methods of [Tx] trust their caller with
// who may do what; the rules of an approval's life are kept here, because they
// need the transaction.
package store
