package middleware

import (
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/farmountain/aureus-go/aureus"
)

// The bounds, in bytes, of a body that is read before the handler runs.
const (
	defaultMaxBody = 1 << 20
	maxMaxBody     = 16 << 20
)

var errBodyHandedOver = errors.New("middleware: the body belongs to the handler now; ask for it while deciding")

// body stands in for the body of a request while it is asked about. What is
// read of it before the handler runs is kept, up to the limit, and the handler
// reads it again; what nobody asked for is never touched.
type body struct {
	src    io.ReadCloser // nil: the request has no body
	limit  int64
	length int64  // as Content-Length says; -1 if it does not
	ended  func() // if not nil: called once the body has come to its end, before all gives it

	mu     sync.Mutex
	kept   []byte // what came from src so far
	offset int    // how much of kept the present reader has
	end    error  // how src ended: io.EOF, or a failure; nil: not yet
	sealed bool   // the handler reads now
	closed bool   // by the handler
}

// attach puts b in the place of the request's body, if it has one.
func (b *body) attach(r *http.Request, limit int64) {
	if r.Body == nil || r.Body == http.NoBody {
		return
	}
	b.src, b.limit, b.length = r.Body, limit, r.ContentLength
	r.Body = b
}

// detach gives the request its own body back.
func (b *body) detach(r *http.Request) {
	if b.src != nil {
		r.Body = b.src
	}
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
	case b.end != nil || len(p) == 0:
		defer b.mu.Unlock()
		return 0, b.end
	case b.sealed: // without the lock: Close may have to interrupt it
		b.mu.Unlock()
		return b.src.Read(p)
	}
	defer b.mu.Unlock()
	if b.tooLong() {
		return 0, b.end
	}
	n := b.fill(p)
	b.offset += n
	return n, b.end
}

// Close implements [io.Closer]. Only the handler can close the body: describe
// has not finished with it for everybody.
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

// all is the whole body, for [aureus.HTTPCall].GetBody.
func (b *body) all() (aureus.Body, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var chunk []byte
	for b.end == nil {
		if b.sealed {
			return nil, errBodyHandedOver
		}
		if b.tooLong() {
			break
		}
		if chunk == nil {
			chunk = make([]byte, b.chunkSize())
		}
		b.fill(chunk)
	}
	if b.end != io.EOF { //nolint:errorlint // a reader's end is io.EOF itself
		return nil, b.end
	}
	if b.ended != nil {
		b.ended()
		b.ended = nil
	}
	return b.kept, nil
}

// tooLong ends a body that says that it is longer than the limit, before a byte
// of it is read and a client that waits is told to go on.
func (b *body) tooLong() bool {
	if b.length <= b.limit {
		return false
	}
	b.end = &http.MaxBytesError{Limit: b.limit}
	return true
}

// chunkSize is how much to ask src for at once. What a client only claims to
// send takes no memory.
func (b *body) chunkSize() int64 {
	size := min(b.limit+1, 16<<10)
	if b.length >= 0 {
		size = min(size, b.length+1)
	}
	return size
}

// fill reads from src once, keeps what came and says how much of it is within
// the limit.
func (b *body) fill(p []byte) int {
	room := b.limit - int64(len(b.kept)) + 1 // one more shows that there is more
	n, err := b.src.Read(p[:min(int64(len(p)), room)])
	b.kept = append(b.kept, p[:n]...)
	if int64(len(b.kept)) > b.limit {
		b.end = &http.MaxBytesError{Limit: b.limit}
		return n - 1
	}
	b.end = err
	return n
}

// failure is why the body could not be read, if somebody tried. It does not
// wait for one who is still trying.
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

// seal ends the asking. From then on the body is the handler's; it fails if
// the body was wanted and could not be had.
func (b *body) seal() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sealed, b.offset = true, 0
	return b.failed()
}

// forHandler is the body that the handler reads: the request's own one if
// nobody has read of it.
func (b *body) forHandler() io.ReadCloser {
	if len(b.kept) == 0 && b.end == nil {
		return b.src
	}
	return b
}
