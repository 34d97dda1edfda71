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

// recordFile creates a file with a write-ahead log and records both.
func recordFile(t *testing.T) (string, *Files) {
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

func TestCheck_FileOrLogReplaced_FailsWithErrGone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows does not let an open file be deleted or renamed: run this on a Unix")
	}
	for name, row := range map[string]struct {
		do   func(t *testing.T, path string)
		says string // part of the error; empty if the file is still the same
	}{
		"written":         {func(t *testing.T, path string) { t.Helper(); write(t, path) }, ""},
		"deleted":         {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path)) }, "a.db does not exist"},
		"moved away":      {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Rename(path, path+".old")) }, "a.db does not exist"},
		"its log deleted": {func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path+"-wal")) }, "a.db-wal does not exist"},
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
			t.Parallel()
			path, files := recordFile(t)
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

func TestNote_HardLink_FailsWithErrLinked(t *testing.T) {
	t.Parallel()
	path, _ := recordFile(t)
	if err := os.Link(path, path+".second"); err != nil {
		t.Skipf("this file system has no hard links (%v): set TMPDIR to one that has", err)
	}
	_, err := Note(path)
	if runtime.GOOS == "windows" {
		require.NoError(t, err, "Windows does not report hard links here")
		return
	}
	require.ErrorIs(t, err, ErrLinked)
	require.ErrorContains(t, err, "2 hard links")
	require.NoError(t, os.Remove(path+".second"))
	_, err = Note(path)
	require.NoError(t, err)
}

func TestNote_MissingFile_IsAnError(t *testing.T) {
	t.Parallel()
	_, err := Note(filepath.Join(t.TempDir(), "no.db"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReady_AfterAFailure_ProbesOncePerSecond(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c Condition
		full := errors.New("the disk is full")
		probes := 0
		var outcome error
		probe := func() { probes++; c.Note(outcome) }

		require.NoError(t, c.Ready(probe))
		require.Zero(t, probes, "no probe while the last write succeeded")
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
		require.ErrorIs(t, c.Ready(probe), full, "the next probe is not due")
		time.Sleep(time.Second)
		require.NoError(t, c.Ready(probe))
		require.Equal(t, 3, probes)

		c.Note(full)
		c.Note(nil)
		require.NoError(t, c.Ready(probe), "an ordinary write counts too")
		require.Equal(t, 3, probes)
	})
}

func TestReady_DuringAProbe_DoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var c Condition
		c.Note(errors.New("full"))
		release := make(chan struct{})
		go func() { _ = c.Ready(func() { <-release }) }()
		synctest.Wait()
		require.ErrorContains(t, c.Ready(func() { t.Error("two probes at the same time") }), "full")
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
