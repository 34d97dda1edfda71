// Package telemetry defines how the control plane stores reported spans, metrics and
// events. They are stored separately from control data, so that an approval never
// waits for them. [Store] is the interface of a backend. Package telemetry/sqlite is
// a backend, and package telemetrytest tests every backend.
//
// # Writing
//
// [Read] checks one reported item against the models of package aureus, and extracts
// the values that queries use. The JSON text itself is stored unchanged, except that
// insignificant white space is removed. Null values and unknown fields are kept.
//
// [Store.Append] returns after the items are committed. The waiting items of each
// tenant are limited; if the limit is exceeded, Append fails with [ErrBusy] at once.
//
// # Reading
//
// Items are ordered by time, and those with equal times by arrival. An item without a
// readable timestamp (see aureus.Timestamp) comes after all others, in the order of
// arrival, and matches no time filter. A page is read in small portions, so that a
// slow reader holds neither much memory nor a transaction.
//
// # Limits
//
// [Options] limits the number and the size of the items of each kind and, optionally,
// their age. A transaction that would exceed a limit deletes, and counts, the oldest
// items by arrival of the tenant with the largest share.
package telemetry
