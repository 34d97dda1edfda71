// Package dbfile is what the stores have to know of the files beneath an open
// SQLite database: that they are still the ones that were opened, and whether
// they take writes.
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
	// ErrGone says that what is written would be lost: the file, or the
	// write-ahead log beside it, is not the one that was opened.
	ErrGone = errors.New("the database's file was deleted or replaced while it is open")
	// ErrLinked says that the file has a second name, and so a second lock: two
	// processes could open it without knowing of each other.
	ErrLinked = errors.New("the database's file has more than one name")
)

// Files are the files of one open database. They are safe for concurrent use
// once both have been noted.
type Files struct{ noted []note }

type note struct {
	path string
	info fs.FileInfo
}

// Note notes which file is at path, which is there already. It fails with
// ErrLinked where the operating system tells that the file has other names.
func Note(path string) (*Files, error) {
	f := &Files{}
	if err := f.add(path); err != nil {
		return nil, err
	}
	if n := links(f.noted[0].info); n > 1 {
		return nil, fmt.Errorf("%w: %s has %d hard links, and each name would have a lock of its own; remove the other names, or copy the file with aureus backup", ErrLinked, path, n)
	}
	return f, nil
}

// NoteLog notes the write-ahead log beside the file. It stays the same as long
// as one connection is open.
func (f *Files) NoteLog() error { return f.add(f.noted[0].path + "-wal") }

func (f *Files) add(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("looking at the database's file: %w", err)
	}
	f.noted = append(f.noted, note{path, info})
	return nil
}

// Check fails with ErrGone where a file is no longer the one that was noted. It
// costs one look at the folder a file.
func (f *Files) Check() error {
	for _, n := range f.noted {
		now, err := os.Stat(n.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: %s is not there any more; %s", ErrGone, n.path, f.repair())
		case err != nil:
			return fmt.Errorf("looking at the database's file: %w", err)
		case !os.SameFile(n.info, now):
			return fmt.Errorf("%w: %s is another file now; %s", ErrGone, n.path, f.repair())
		}
	}
	return nil
}

func (f *Files) repair() string {
	path := f.noted[0].path
	return fmt.Sprintf("nothing is written to it: put the file back, or stop the server, remove %s-wal and %s-shm, restore %s from a backup, and start again", path, path, path)
}

// Guarded opens connections as next does, as long as the file is the one that
// was noted: a connection to another file would read, and in the end write,
// something else.
func (f *Files) Guarded(next driver.Connector) driver.Connector { return guarded{next, f} }

type guarded struct {
	driver.Connector

	files *Files
}

// Connect implements [driver.Connector].
func (g guarded) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := g.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if err := g.files.Check(); err != nil {
		_ = conn.Close() // it has done nothing
		return nil, err
	}
	return conn, nil
}
