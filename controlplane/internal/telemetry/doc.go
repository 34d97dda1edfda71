// Package telemetry is the telemetry store of the control plane: it keeps
// reported spans, metrics and events in a SQLite file of its own, so that they
// never queue in front of an approval, and gives them back unchanged.
//
// # What comes in
//
// [Read] checks one reported item against the models of package aureus and picks
// out what is searched for; the JSON text itself is kept, without its
// insignificant whitespace and otherwise byte for byte. Declared fields that
// were reported as null and fields that no model knows are echoed as they came.
//
// [Store.Append] returns after the items are committed. One goroutine writes:
// it gathers whatever waits in a bounded queue into one transaction, so that
// many small reports cost little more than a large one. A full queue is
// [ErrBusy], at once.
//
// # What a commit means
//
// The file is in WAL mode with synchronous=NORMAL. A commit has reached the
// operating system before Append returns: it survives the end of the process
// in any form, kill -9 included. It is not flushed to the disk each time, so
// that a power failure or a crash of the operating system may take the last
// commits (those since the last checkpoint); the file stays consistent.
//
// # What goes out
//
// Items are ordered by time, and by arrival where times are equal. An item
// whose timestamp is no time (see aureus.Timestamp) comes after all others, in
// order of arrival, and matches no time filter. Rows are read in small portions
// and no portion outlives its reading, so that a slow reader holds neither
// memory nor a read transaction, which would keep the WAL from being reset.
//
// # Bounds
//
// [Options] bounds the number, the size and, where wished, the age of the items
// of each kind. The oldest by arrival are deleted in the transaction that would
// exceed a bound, and counted.
package telemetry
