// Package telemetry says how the control plane keeps reported spans, metrics and
// events, apart from control data, so that they never queue in front of an
// approval, and gives them back unchanged. [Store] is what is needed of a database;
// package telemetry/sqlite is one, and package telemetrytest tests any.
//
// # What comes in
//
// [Read] checks one reported item against the models of package aureus and picks
// out what is searched for; the JSON text itself is kept, without its
// insignificant whitespace and otherwise byte for byte. Declared fields that
// were reported as null and fields that no model knows are echoed as they came.
//
// [Store.Append] returns after the items are committed. What waits of one tenant is
// bounded: beyond the bound the error is [ErrBusy], at once.
//
// # What goes out
//
// Items are ordered by time, and by arrival where times are equal. An item
// whose timestamp is no time (see aureus.Timestamp) comes after all others, in
// order of arrival, and matches no time filter. A page is read in small portions,
// so that a slow reader holds neither memory nor a transaction.
//
// # Bounds
//
// [Options] bounds the number, the size and, where wished, the age of the items
// of each kind. The oldest by arrival, of the tenant that has most, are deleted in
// the transaction that would exceed a bound, and counted.
package telemetry
