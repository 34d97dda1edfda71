// Package sqlite keeps telemetry in one SQLite file: it is the embedded
// implementation of package telemetry.
//
// One goroutine writes: it gathers whatever waits in a bounded queue into one
// transaction, so that many small reports cost little more than a large one.
//
// The file is in WAL mode with synchronous=NORMAL. A commit has reached the
// operating system before Append returns: it survives the end of the process
// in any form, kill -9 included. It is not flushed to the disk each time, so
// that a power failure or a crash of the operating system may take the last
// commits (those since the last checkpoint); the file stays consistent.
//
// Rows are read in small portions and no portion outlives its reading: a read
// transaction would keep the write-ahead log from being begun again.
package sqlite
