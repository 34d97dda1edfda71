package dbfile

import (
	"context"
	"database/sql/driver"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// noted makes a file with a log beside it, and notes both.
func noted(t *testing.T) (string, *Files) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	write(t, path)
	write(t, path+"-wal")
	files, err := Note(path)
	require.NoError(t, err)
	require.NoError(t, files.NoteLog())
	require.NoError(t, files.Check())
	return path, files
}

func write(t *testing.T, path string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
}

func TestWhatHappensToAnOpenFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be deleted or renamed: run this on a Unix")
	}
	for name, row := range map[string]struct {
		do   func(t *testing.T, path string)
		says string // nothing where the file is still the one
	}{
		"written":         {func(t *testing.T, path string) { t.Helper(); write(t, path) }, ""},
		"deleted":         {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path)) }, "a.db is not there"},
		"moved away":      {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Rename(path, path+".old")) }, "a.db is not there"},
		"its log deleted": {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path+"-wal")) }, "a.db-wal is not there"},
		"replaced": {func(t *testing.T, path string) {
			t.Helper()
			write(t, path+".new")
			require.NoError(t, os.Rename(path+".new", path))
		}, "a.db is another file"},
		"its log replaced": {func(t *testing.T, path string) {
			t.Helper()
			write(t, path+".new")
			require.NoError(t, os.Rename(path+".new", path+"-wal"))
		}, "a.db-wal is another file"},
		"moved and back": {func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.Rename(path, path+".old"))
			require.NoError(t, os.Rename(path+".old", path))
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path, files := noted(t)
			row.do(t, path)
			conn := &connection{}
			_, connecting := files.Guarded(conn).Connect(t.Context())
			for _, err := range []error{files.Check(), connecting} {
				if row.says == "" {
					require.NoError(t, err)
					continue
				}
				require.ErrorIs(t, err, ErrGone)
				require.ErrorContains(t, err, row.says)
				require.ErrorContains(t, err, "restore")
			}
			require.Equal(t, row.says != "", conn.closed)
		})
	}
}

func TestAFileWithTwoNamesIsRefused(t *testing.T) {
	path, _ := noted(t)
	if err := os.Link(path, path+".second"); err != nil {
		t.Skipf("this file system has no hard links (%v): set TMPDIR to one that has", err)
	}
	_, err := Note(path)
	if runtime.GOOS == "windows" {
		require.NoError(t, err, "it is not told there")
		return
	}
	require.ErrorIs(t, err, ErrLinked)
	require.ErrorContains(t, err, "2 hard links")
	require.NoError(t, os.Remove(path+".second"))
	_, err = Note(path)
	require.NoError(t, err)
}

func TestAFileThatIsNotThere(t *testing.T) {
	_, err := Note(filepath.Join(t.TempDir(), "no.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// TestReadinessProbesOnceASecond lets time pass without waiting for it.
func TestReadinessProbesOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Condition
		full := errors.New("the disk is full")
		probes := 0
		var outcome error
		probe := func() { probes++; c.Note(outcome) }

		require.NoError(t, c.Ready(probe))
		require.Zero(t, probes, "good news need no proof")
		outcome = full
		c.Note(full)
		for range 5 {
			require.ErrorIs(t, c.Ready(probe), full)
		}
		require.Equal(t, 1, probes)
		time.Sleep(time.Second)
		require.ErrorIs(t, c.Ready(probe), full)
		require.Equal(t, 2, probes)
		outcome = nil
		require.ErrorIs(t, c.Ready(probe), full, "not before its time")
		time.Sleep(time.Second)
		require.NoError(t, c.Ready(probe))
		require.Equal(t, 3, probes)

		c.Note(full)
		c.Note(nil)
		require.NoError(t, c.Ready(probe), "an ordinary write is news as well")
		require.Equal(t, 3, probes)
	})
}

func TestWhoeverAsksDuringAProbeDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Condition
		c.Note(errors.New("full"))
		release := make(chan struct{})
		go func() { _ = c.Ready(func() { <-release }) }()
		synctest.Wait()
		require.ErrorContains(t, c.Ready(func() { t.Error("two probe at once") }), "full")
		close(release)
	})
}

// connection is a connector and its connection.
type connection struct {
	driver.Conn

	closed bool
}

func (c *connection) Connect(context.Context) (driver.Conn, error) { return c, nil }
func (c *connection) Driver() driver.Driver                        { return nil }
func (c *connection) Close() error                                 { c.closed = true; return nil }
