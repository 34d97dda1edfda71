package middleware

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
)

// The limits, in bytes, of a body that is read before the handler runs.
const (
	defaultMaxBody = 1 << 20
	maxMaxBody     = 16 << 20
	maxMaxStreamed = 1 << 40
)

var errBodyHandedOver = errors.New("middleware: GetBody was called after the decision; the handler reads the body now")

// body replaces the body of a request, if there is one, until the decision is made. It keeps
// the bytes that describe or the decider reads, up to the limit, and the handler reads them
// again. The other bytes stay unread. If the decider needs a body beyond the limit, and the
// options permit that, the rest goes to a file.
type body struct {
	src      io.ReadCloser
	limit    int64  // of the bytes in memory
	streamed int64  // of the whole body, if it goes to a file; 0 means that it does not
	length   int64  // of Content-Length; -1 without one
	ended    func() // called once by the method all, after the end of the body; may be nil

	mu     sync.Mutex
	kept   []byte // what was read from src
	offset int    // number of bytes of kept that the current reader has read
	spool  *spool // what was read beyond the limit; nil if there is nothing
	read   int64  // number of bytes of the spool that the handler has read
	end    error  // the final error of src: io.EOF or a failure; nil before that
	sealed bool   // the decision is made, and the handler reads
	closed bool   // the handler has closed the body

	done atomic.Bool // the request has ended
}

// attachBody replaces the body of the request, if it has one. It returns nil otherwise.
func attachBody(r *http.Request, c *Options) *body {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b := &body{src: r.Body, limit: c.MaxBody, streamed: c.MaxStreamed, length: r.ContentLength}
	r.Body = b
	return b
}

// Read implements [io.Reader], for describe first and then for the handler.
func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	switch {
	case b.closed:
		b.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	case b.offset < len(b.kept):
		n := copy(p, b.kept[b.offset:])
		b.offset += n
		b.mu.Unlock()
		return n, nil
	case b.spool != nil:
		defer b.unlock()
		n, err := b.spool.file.ReadAt(p, b.read)
		b.read += int64(n)
		return n, err
	case b.end != nil || len(p) == 0:
		defer b.mu.Unlock()
		return 0, b.end
	case b.sealed: // without the lock, so that Close can interrupt it
		b.mu.Unlock()
		return b.src.Read(p)
	}
	defer b.mu.Unlock()
	if b.tooLong(b.limit) {
		return 0, b.end
	}
	n := b.fill(int64(len(p)))
	if b.end == nil && int64(len(b.kept)) > b.limit {
		b.end = &http.MaxBytesError{Limit: b.limit}
		n--
	}
	copy(p, b.kept[b.offset:b.offset+n])
	b.offset += n
	return n, b.end
}

// Close implements [io.Closer]. Before the decision it does nothing, because the decider and
// the handler read the body after describe.
func (b *body) Close() error {
	b.mu.Lock()
	if !b.sealed {
		b.mu.Unlock()
		return nil
	}
	b.closed = true
	b.mu.Unlock()
	return b.src.Close()
}

// text reads the whole body, which must be within the limit of memory, and returns its bytes.
func (b *body) text() ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.end == nil && !b.tooLong(b.limit) {
		b.fill(maxChunk)
		if b.end == nil && int64(len(b.kept)) > b.limit {
			b.end = &http.MaxBytesError{Limit: b.limit}
		}
	}
	return b.kept, b.failed()
}

// all reads the whole body, for [aureus.HTTPCall].GetBody. After it returned nil, kept and
// spool have the bytes.
func (b *body) all() error {
	b.mu.Lock()
	defer b.unlock()
	if b.done.Load() {
		return errBodyHandedOver
	}
	for b.end == nil {
		if b.sealed {
			return errBodyHandedOver
		}
		if b.tooLong(max(b.limit, b.streamed)) {
			break
		}
		b.fill(maxChunk)
		switch {
		case b.end != nil || int64(len(b.kept)) <= b.limit:
		case b.streamed > b.limit:
			b.spool, b.end = spoolRest(b.kept, b.src, b.streamed)
		default:
			b.end = &http.MaxBytesError{Limit: b.limit}
		}
	}
	if b.end != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		return b.end
	}
	if b.ended != nil {
		b.ended()
		b.ended = nil
	}
	return nil
}

// unlock releases the lock. If the request has ended while it was held, it removes the file.
func (b *body) unlock() {
	b.mu.Unlock()
	if b.done.Load() {
		b.discard()
	}
}

// discard removes the file, if there is one, when the request has ended. It does not wait for a
// decider that still reads, although it has returned: unlock then removes the file.
func (b *body) discard() {
	b.done.Store(true)
	if !b.mu.TryLock() {
		return
	}
	defer b.mu.Unlock()
	b.closed = b.closed || b.spool != nil // what still reads gets an error
	if b.spool != nil {
		b.spool.remove()
		b.spool = nil
	}
}

// tooLong reports whether Content-Length is above the limit. The check is made before the
// first read, so a client that waits for 100 Continue does not send the body.
func (b *body) tooLong(limit int64) bool {
	if b.length <= limit {
		return false
	}
	b.end = &http.MaxBytesError{Limit: limit}
	return true
}

// maxChunk is the number of bytes that are read at once. It is small even if Content-Length is
// large, so that a client cannot make the guard allocate memory with a false Content-Length.
const maxChunk = 16 << 10

// fill reads at most size bytes from src once, keeps them, and returns their number. It keeps
// at most one byte more than the limit, which shows that the body is longer. If that byte is
// there, the end of the source is not kept: the caller decides what comes next.
func (b *body) fill(size int64) int {
	size = min(size, maxChunk, b.limit-int64(len(b.kept))+1)
	if b.length >= 0 {
		size = min(size, b.length+1)
	}
	b.kept = slices.Grow(b.kept, int(size))
	start := len(b.kept)
	n, err := b.src.Read(b.kept[start : start+int(size)])
	b.kept = b.kept[:start+n]
	if int64(len(b.kept)) <= b.limit || (err != nil && err != io.EOF) {
		b.end = err
	}
	return n
}

// failure returns the error of reading the body, or nil. It does not wait for a reader that
// is still running.
func (b *body) failure() error {
	if !b.mu.TryLock() {
		return nil
	}
	defer b.mu.Unlock()
	return b.failed()
}

func (b *body) failed() error {
	if b.end == io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		return nil
	}
	return b.end
}

// seal gives the body to the handler. If the body was read and reading failed, it returns
// the error.
func (b *body) seal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed, b.offset = true, 0
	return b.failed()
}

// forHandler returns the body for the handler: the original body if no byte was read.
func (b *body) forHandler() io.ReadCloser {
	if len(b.kept) == 0 && b.end == nil {
		return b.src
	}
	return b
}
