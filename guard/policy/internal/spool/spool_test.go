package spool_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/guard/policy/internal/spool"
)

func open(t *testing.T, folder string, limit int64) *spool.Spool {
	t.Helper()
	s, err := spool.Open(folder, limit)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// all returns the records of the spool, and removes them.
func all(t *testing.T, s *spool.Spool) (records []string, torn int) {
	t.Helper()
	for {
		segment, found, err := s.Oldest()
		require.NoError(t, err)
		if !found {
			return records, torn
		}
		for _, record := range segment.Records {
			records = append(records, string(record))
		}
		if segment.Torn {
			torn++
		}
		require.NoError(t, s.Remove(segment))
	}
}

// Records of many goroutines are read in the order of each, once each, and also by the
// next process.
func TestSpool_Records_AreReadInOrder(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := open(t, folder, 64<<20)
	padding := strings.Repeat("x", 2000) // so that there are several segments
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for n := range 500 {
				if err := s.Append(fmt.Appendf(nil, "%d %04d %s", w, n, padding), 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	<-s.Added()
	first, found, err := s.Oldest()
	require.NoError(t, err)
	require.True(t, found)
	again, _, err := s.Oldest()
	require.NoError(t, err)
	require.Equal(t, first, again, "they stay until they are removed")
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Append([]byte("late"), 0), spool.ErrClosed)

	next := open(t, folder, 64<<20)
	<-next.Added()
	require.Positive(t, next.Size())
	require.NoError(t, next.Append([]byte("9 new"), 0))
	records, torn := all(t, next)
	require.Zero(t, torn)
	require.Len(t, records, 2001)
	require.Equal(t, "9 new", records[2000])
	var last [4]int
	for _, record := range records[:2000] {
		var w, n int
		_, err := fmt.Sscanf(record, "%d %d ", &w, &n)
		require.NoError(t, err)
		require.Equal(t, last[w], n)
		last[w]++
	}
	require.Zero(t, next.Size())
}

// A last line without an end, which a process that was killed left, is not a record.
func TestSpool_TornLine_IsIgnored(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(folder, "0000000000000007.jsonl"), []byte("one\ntwo\nthr"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "notes.txt"), []byte("not a segment\n"), 0o600))
	s := open(t, folder, 1<<20)
	require.NoError(t, s.Append([]byte("four"), 0))
	records, torn := all(t, s)
	require.Equal(t, []string{"one", "two", "four"}, records)
	require.Equal(t, 1, torn)
}

// A full spool takes no record until others were removed.
func TestSpool_Full_RefusesRecords(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), 100)
	record := bytes.Repeat([]byte("x"), 39)
	require.NoError(t, s.Append(bytes.Clone(record), 0))
	require.NoError(t, s.Append(bytes.Clone(record), 0))
	require.ErrorIs(t, s.Append(bytes.Clone(record), 0), spool.ErrFull)
	require.EqualValues(t, 80, s.Size())
	records, _ := all(t, s)
	require.Len(t, records, 2)
	require.NoError(t, s.Append(bytes.Clone(record), 0))
	for _, wrong := range [][]byte{[]byte("two\nlines"), bytes.Repeat([]byte("x"), spool.MaxRecord+1)} {
		require.ErrorContains(t, s.Append(wrong, 0), "one line")
	}
}

// Two processes cannot have the same folder open: one would remove the records that the
// other has just written.
func TestOpen_FolderInUse_IsAnError(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	s := open(t, folder, 1<<20)
	_, err := spool.Open(folder, 1<<20)
	require.ErrorContains(t, err, "folder of its own")
	require.NoError(t, s.Close())
	open(t, folder, 1<<20)
}

// A record that could not be written is not read, and later ones are.
func TestSpool_FolderMoved_RefusesRecords(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a folder with an open file cannot be moved")
	}
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "spool")
	s := open(t, folder, 1<<20)
	require.NoError(t, os.Rename(folder, folder+".away"))
	require.ErrorIs(t, s.Append([]byte("one"), 0), os.ErrNotExist)
	require.NoError(t, os.Rename(folder+".away", folder))
	require.NoError(t, s.Append([]byte("two"), 0))
	records, _ := all(t, s)
	require.Equal(t, []string{"two"}, records)
}
