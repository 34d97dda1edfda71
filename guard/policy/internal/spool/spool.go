// Package spool keeps records in files until they have been sent. A record that Append
// has written survives the end of the process at any moment, including kill -9; it is
// not forced to the disk, so that it may be lost if the machine itself stops.
//
// The records are lines in segment files of one folder. Records are added to the newest
// segment; the oldest is read as a whole, and removed after its records have been sent.
// So a record may be sent twice, and is never skipped.
package spool

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// MaxRecord is the maximum number of bytes of a record.
	MaxRecord = 256 << 10

	maxSegment = 1 << 20 // bytes of a segment, from which on the next record begins another
	suffix     = ".jsonl"
	lockFile   = "lock"
)

// The errors of Append.
var (
	ErrFull   = errors.New("the spool is full")
	ErrClosed = errors.New("the spool is closed")
)

// Spool is an open folder of records. It is safe for concurrent use, and at most one
// Spool of all processes has a folder open.
type Spool struct {
	folder string
	limit  int64
	lock   *os.File
	added  chan struct{} // has an element after records were added

	mu       sync.Mutex
	closed   bool
	file     *os.File // the newest segment; nil before its first record
	written  int64    // its bytes
	segments []int64  // the numbers of the older segments, the oldest first
	sizes    map[int64]int64
	next     int64 // the number of the next segment
	size     int64 // bytes of all segments
}

// Open opens the folder, which it makes if it does not exist, with the records that
// earlier processes left in it. limit is the maximum number of bytes of all records.
func Open(folder string, limit int64) (*Spool, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of the spool: %w", err)
	}
	lock, err := lockFolder(filepath.Join(folder, lockFile))
	if err != nil {
		return nil, fmt.Errorf("the spool in %s cannot be locked: %w; give each process a folder of its own", folder, err)
	}
	s := &Spool{folder: folder, limit: limit, lock: lock, added: make(chan struct{}, 1), sizes: map[int64]int64{}}
	if err := s.find(); err != nil {
		return nil, errors.Join(fmt.Errorf("reading the folder of the spool: %w", err), unlockFolder(lock))
	}
	return s, nil
}

// find lists the segments of earlier processes.
func (s *Spool) find() error {
	entries, err := os.ReadDir(s.folder)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		text, ok := strings.CutSuffix(entry.Name(), suffix)
		number, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil || number < 0 || !entry.Type().IsRegular() {
			continue // not a segment
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		s.segments = append(s.segments, number)
		s.sizes[number] = info.Size()
		s.size += info.Size()
		s.next = max(s.next, number+1)
	}
	slices.Sort(s.segments)
	if len(s.segments) > 0 {
		s.signal()
	}
	return nil
}

func (s *Spool) path(number int64) string {
	return filepath.Join(s.folder, fmt.Sprintf("%016d%s", number, suffix))
}

func (s *Spool) signal() {
	select {
	case s.added <- struct{}{}:
	default:
	}
}

// Added returns a channel that receives after records were added.
func (s *Spool) Added() <-chan struct{} { return s.added }

// Size returns the number of bytes of all records that have not been removed.
func (s *Spool) Size() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size
}

// Append writes a record, which must not contain a line feed, and takes over the slice.
// With an error, nothing of it will be read. The spool counts as full unless at least free
// bytes are left after the record.
func (s *Spool) Append(record []byte, free int64) error {
	if len(record) > MaxRecord || bytes.IndexByte(record, '\n') >= 0 {
		return fmt.Errorf("a record of the spool must be one line of at most %d bytes; it has %d", MaxRecord, len(record))
	}
	line := append(record, '\n') //nolint:gocritic // the caller has given it away
	n := int64(len(line))
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.size+n+free > s.limit:
		return fmt.Errorf("%w: it has %d bytes of at most %d", ErrFull, s.size, s.limit-free)
	}
	if s.file != nil && s.written+n > maxSegment {
		if err := s.finish(); err != nil {
			return err
		}
	}
	if s.file == nil {
		file, err := os.OpenFile(s.path(s.next), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		s.file, s.written = file, 0
	}
	if _, err := s.file.Write(line); err != nil {
		return errors.Join(err, s.takeBack())
	}
	s.written += n
	s.size += n
	s.signal()
	return nil
}

// takeBack removes the part of a record that was written. If that fails, the segment
// ends here: the reader ignores a last line without an end.
func (s *Spool) takeBack() error {
	err := s.file.Truncate(s.written)
	if err != nil {
		err = errors.Join(err, s.finish())
	}
	return err
}

// finish closes the newest segment, so that it can be read as a whole.
func (s *Spool) finish() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.segments = append(s.segments, s.next)
	s.sizes[s.next] = s.written
	s.file, s.written = nil, 0
	s.next++
	return err
}

// Segment is a number of records that are removed together.
type Segment struct {
	Records [][]byte
	Torn    bool // the segment ends with a part of a record, which is not in Records

	number int64
}

// Oldest returns the oldest records, or false if there are none. It returns the same ones
// until they are removed.
func (s *Spool) Oldest() (segment Segment, found bool, err error) {
	s.mu.Lock()
	if len(s.segments) == 0 {
		err = s.finish()
	}
	if err != nil || len(s.segments) == 0 {
		s.mu.Unlock()
		return Segment{}, false, err
	}
	segment.number = s.segments[0]
	s.mu.Unlock()
	text, err := readSegment(s.path(segment.number))
	if err != nil {
		return Segment{}, false, err
	}
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if !whole {
			segment.Torn = true
			break
		}
		segment.Records = append(segment.Records, line)
		text = rest
	}
	return segment, true, nil
}

// readSegment reads a segment. A file that is larger than a segment can be is not one.
func readSegment(path string) ([]byte, error) {
	file, err := os.Open(path) //nolint:gosec // in the folder that the operator names
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxSegment+MaxRecord+1))
	if err == nil && len(text) > maxSegment+MaxRecord {
		err = fmt.Errorf("%s is larger than a segment of a spool; move it away", path)
	}
	return text, err
}

// Remove removes records after they have been sent.
func (s *Spool) Remove(segment Segment) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.Index(s.segments, segment.number)
	if at < 0 {
		return nil
	}
	if err := os.Remove(s.path(segment.number)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	s.segments = slices.Delete(s.segments, at, at+1)
	s.size -= s.sizes[segment.number]
	delete(s.sizes, segment.number)
	return nil
}

// Close closes the files. The records stay for the next Open.
func (s *Spool) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errors.Join(s.finish(), unlockFolder(s.lock))
}
