package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	maxLine    = 32 << 20 // bytes
	batchLines = 256      // lines that one goroutine checks at a time
	batchBytes = 1 << 20  // bytes after which a batch ends
)

// checkedLine is a line of an export, checked by itself.
type checkedLine struct {
	text     []byte // only of lines that are not entries
	sequence int64
	hash     string
	previous string
	leaf     tlog.Hash
	err      error
}

// lineReader reads the lines of an export. Several goroutines check them by themselves;
// next returns them in order.
type lineReader struct {
	tenant  string
	scanner *bufio.Scanner
	ready   []checkedLine
	ended   bool
	err     error
}

func newLineReader(from io.Reader, tenant string) *lineReader {
	r := &lineReader{tenant: tenant, scanner: bufio.NewScanner(from)}
	r.scanner.Buffer(make([]byte, 0, 64<<10), maxLine)
	r.scanner.Split(splitLines)
	return r
}

// splitLines is a [bufio.SplitFunc] for lines that each end with a newline.
func splitLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF && len(data) > 0 {
		return 0, nil, invalidf("the last line does not end with a newline: the file was cut off")
	}
	return 0, nil, nil
}

// next returns the next line, or io.EOF after the last one.
func (r *lineReader) next() (checkedLine, error) {
	if len(r.ready) == 0 {
		r.read()
	}
	if len(r.ready) == 0 {
		if r.err != nil {
			return checkedLine{}, r.err
		}
		return checkedLine{}, io.EOF
	}
	line := r.ready[0]
	r.ready = r.ready[1:]
	return line, nil
}

// read reads and checks one batch for each processor. Its goroutines have ended when it
// returns.
func (r *lineReader) read() {
	var batches [][][]byte
	for range runtime.GOMAXPROCS(0) {
		if batch := r.batch(); len(batch) > 0 {
			batches = append(batches, batch)
		}
	}
	checked := make([][]checkedLine, len(batches))
	var workers sync.WaitGroup
	for i, batch := range batches {
		workers.Go(func() {
			for _, line := range batch {
				checked[i] = append(checked[i], checkLine(r.tenant, line))
			}
		})
	}
	workers.Wait()
	r.ready = nil
	for _, lines := range checked {
		r.ready = append(r.ready, lines...)
	}
}

func (r *lineReader) batch() (lines [][]byte) {
	for size := 0; !r.ended && len(lines) < batchLines && size < batchBytes; {
		if !r.scanner.Scan() {
			r.ended = true
			if r.err = r.scanner.Err(); errors.Is(r.err, bufio.ErrTooLong) {
				r.err = invalidf("a line is longer than %d bytes", maxLine)
			}
			break
		}
		lines = append(lines, bytes.Clone(r.scanner.Bytes()))
		size += len(r.scanner.Bytes())
	}
	return lines
}

// checkLine checks that an entry is written as the server writes it, and computes its
// hash.
func checkLine(tenant string, line []byte) checkedLine {
	if bytes.HasPrefix(line, sealStart) || bytes.HasPrefix(line, archiveStart) {
		return checkedLine{text: line}
	}
	e, hash, err := readEntry(tenant, line)
	c := checkedLine{sequence: e.Sequence, hash: e.Hash, previous: e.PreviousHash, err: err}
	if err != nil {
		return c
	}
	if hash != e.Hash {
		c.err = fmt.Errorf("its hash is %s, not %.80q", hash, e.Hash)
		return c
	}
	c.leaf, c.err = merkle.Leaf(hash)
	return c
}

// readEntry reads an entry and computes the hash that it must have.
func readEntry(tenant string, line []byte) (e aureus.AuditRecord, hash string, err error) {
	if err := strictjson.Unmarshal(line, &e); err != nil {
		return e, "", err
	}
	again, err := strictjson.MarshalText(e)
	if err != nil {
		return e, "", err
	}
	if !bytes.Equal(again, line) {
		return e, "", errors.New("it is not written as the server writes it")
	}
	hash, err = storage.HashOf(tenant, &e)
	return e, hash, err
}
