// Package sqlite implements package storage with one SQLite file. Every commit runs
// with synchronous=FULL, so that its changes are on the disk when Update returns.
//
// One server process at a time can open the file. It holds an operating system lock
// on a second file next to it.
package sqlite
