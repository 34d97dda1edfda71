// Package sqlite keeps the control plane's data in one SQLite file: it is the
// embedded implementation of package storage. What an acknowledged update changed
// is on the disk, since every commit runs with synchronous=FULL.
//
// The file belongs to one server process at a time, which holds an operating
// system lock on a file beside it.
package sqlite
