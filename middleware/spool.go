package middleware

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/farmountain/aureus-go/aureus"
)

// maxSpools is the number of bodies that are in files at the same time, in all guards of the
// process.
const maxSpools = 32

var spools atomic.Int64

// errSpool is the error if a body cannot be put into a file.
var errSpool = errors.New("middleware: the body cannot be kept until the decision")

// spool has the part of a body that is beyond the limit of memory, in a temporary file.
type spool struct {
	file *os.File
	size int64     // of the whole body, with the part in memory
	sum  hash.Hash // SHA-256 of the whole body
}

// spoolRest puts the rest of a body whose first bytes are kept into a file, and hashes all of
// it as it comes. The error is io.EOF if the whole body was read, [*http.MaxBytesError] if it
// has more bytes than the limit, errSpool if there is no room, and otherwise that of the source.
func spoolRest(kept []byte, src io.Reader, limit int64) (*spool, error) {
	if spools.Add(1) > maxSpools {
		spools.Add(-1)
		return nil, fmt.Errorf("%w: %d other bodies are kept already", errSpool, maxSpools)
	}
	file, err := os.CreateTemp("", "aureus-body-*")
	if err != nil {
		spools.Add(-1)
		return nil, fmt.Errorf("%w: %w", errSpool, err)
	}
	_ = os.Remove(file.Name()) // the open file keeps the content; where that is not possible, remove removes it
	s := &spool{file: file, sum: sha256.New()}
	_, _ = s.sum.Write(kept)
	n, err := io.Copy(s, io.LimitReader(src, limit-int64(len(kept))+1))
	s.size = int64(len(kept)) + n
	switch {
	case err != nil:
	case s.size > limit:
		err = &http.MaxBytesError{Limit: limit}
	default:
		return s, io.EOF
	}
	s.remove()
	return nil, err
}

// Write implements [io.Writer], for the rest of the body.
func (s *spool) Write(p []byte) (int, error) {
	n, err := s.file.Write(p)
	_, _ = s.sum.Write(p[:n])
	if err != nil {
		err = fmt.Errorf("%w: %w", errSpool, err)
	}
	return n, err
}

// remove closes and removes the file.
func (s *spool) remove() {
	_ = s.file.Close()
	_ = os.Remove(s.file.Name()) // it is gone already where an open file can be removed
	spools.Add(-1)
}

// boundBody returns the body that an approval binds, for [aureus.HTTPCall].GetBody, and
// completes the call. docs/spec/policy.md#digest describes the three forms: the bytes, the parts
// of a form, and the SHA-256 of what is not kept in memory.
func (v *exchange) boundBody() (aureus.Body, error) {
	if err := v.body.all(); err != nil {
		return nil, err
	}
	v.body.mu.Lock()
	defer v.body.unlock()
	switch {
	case v.formed:
		return v.call.Body, nil
	case v.body.done.Load():
		return nil, errBodyHandedOver
	}
	body, err := v.formOf(v.body)
	if err != nil {
		return nil, err
	}
	v.formed, v.call.Body = true, body
	return body, nil
}

// formOf returns the bound form of a body that was read.
func (v *exchange) formOf(b *body) (aureus.Body, error) {
	if boundary := formBoundary(v.call.ContentType); boundary != "" && v.call.Headers["Content-Type"] == nil {
		keep, whole := b.limit, io.Reader(bytes.NewReader(b.kept))
		if b.spool != nil {
			keep = maxInlinePart
			whole = io.MultiReader(whole, io.NewSectionReader(b.spool.file, 0, b.spool.size-int64(len(b.kept))))
		}
		f, err := readForm(whole, boundary, keep, b.limit)
		if err != nil && !errors.Is(err, errNotStrict) {
			return nil, fmt.Errorf("%w: %w", errSpool, err)
		}
		if err == nil {
			if body, contentType, omitted, ok := f.bound(); ok {
				v.call.ContentType = contentType
				if omitted != nil {
					v.bindHeader(omittedBody, omitted)
				}
				return body, nil
			}
		}
	}
	if b.spool != nil {
		v.bindHeader(omittedBody, []string{sumText(b.spool.size, b.spool.sum.Sum(nil))})
		return nil, nil
	}
	return b.kept, nil
}
