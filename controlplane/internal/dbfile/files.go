// Package dbfile opens, locks and migrates the file of a SQLite database, and checks
// the files while it is open: that they are still the files that were opened, that
// they can be written, and that the write-ahead log stays small.
package dbfile

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// The errors of this package, for errors.Is.
var (
	// ErrGone means that the file or its write-ahead log is not the one that was
	// opened, so that anything written would be lost.
	ErrGone = errors.New("the database's file was deleted or replaced while it is open")
	// ErrLinked means that the file has a second name. Each name has a lock of its
	// own, so two processes could open the file at the same time.
	ErrLinked = errors.New("the database's file has more than one name")
)

// Files records the files of one open database. It is safe for concurrent use
// after Note and NoteLog.
type Files struct{ recorded []recordedFile }

type recordedFile struct {
	path string
	info fs.FileInfo
}

// Note records the file at path, which must exist. It fails with ErrLinked if
// the operating system reports other names of the file.
func Note(path string) (*Files, error) {
	f := &Files{}
	if err := f.add(path); err != nil {
		return nil, err
	}
	if n := links(f.recorded[0].info); n > 1 {
		return nil, fmt.Errorf("%w: %s has %d hard links, and each name has a lock of its own; remove the other names, or copy the file with aureus backup", ErrLinked, path, n)
	}
	return f, nil
}

// NoteLog records the write-ahead log of the file. The log stays the same file
// as long as a connection is open.
func (f *Files) NoteLog() error { return f.add(f.recorded[0].path + "-wal") }

func (f *Files) add(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("checking the database's file: %w", err)
	}
	f.recorded = append(f.recorded, recordedFile{path, info})
	return nil
}

// Check fails with ErrGone if a file is no longer the recorded one. It calls
// stat once for each file.
func (f *Files) Check() error {
	for _, n := range f.recorded {
		now, err := os.Stat(n.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s does not exist any more; %s", ErrGone, n.path, f.repair())
		case err != nil:
			return fmt.Errorf("checking the database's file: %w", err)
		case !os.SameFile(n.info, now):
			return fmt.Errorf("%w: %s is another file now; %s", ErrGone, n.path, f.repair())
		}
	}
	return nil
}

func (f *Files) repair() string {
	path := f.recorded[0].path
	return fmt.Sprintf("nothing is written to it: put the file back, or stop the server, remove %s-wal and %s-shm, restore %s from a backup, and start again", path, path, path)
}

// Guarded returns a connector that fails if the file is no longer the recorded
// one. Otherwise a new connection could read and write another file.
func (f *Files) Guarded(next driver.Connector) driver.Connector { return checkedConnector{next, f} }

type checkedConnector struct {
	driver.Connector

	files *Files
}

// Connect implements [driver.Connector].
func (g checkedConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := g.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := g.files.Check(); err != nil {
		_ = conn.Close() // it was not used
		return nil, err
	}
	return conn, nil
}
