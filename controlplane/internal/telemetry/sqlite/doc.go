// Package sqlite implements package telemetry with one SQLite file.
//
// One goroutine writes. It commits all waiting requests in one transaction, so that
// many small requests cost little more than one large request. The queue is limited.
//
// The file is in WAL mode with synchronous=NORMAL. A commit has reached the operating
// system before Append returns, so it survives any end of the process, even kill -9.
// It is not flushed to the disk each time: a power failure or a crash of the operating
// system can lose the commits since the last checkpoint, but the file stays consistent.
//
// Rows are read in small portions, each in a short read transaction, because a long one
// would prevent the write-ahead log from being reset.
package sqlite
