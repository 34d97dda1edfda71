package middleware

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"strconv"
	"strings"
)

// The limits of a multipart body that is bound by its parts. A body beyond them is bound by
// its bytes.
const (
	maxParts      = 1000
	maxPartHeader = 8 << 10 // bytes of the headers of one part
	maxInlinePart = 4 << 10 // bytes of a part that an approver sees, if the body is not kept in memory
)

// errNotStrict means that a body is not a multipart body that every parser divides in the same
// way.
var errNotStrict = errors.New("middleware: the body is no strict multipart body")

// formBoundary returns the boundary of a content type that is exactly multipart/form-data with
// a boundary of plain characters, or "".
func formBoundary(contentType string) string {
	kind, parameter, _ := strings.Cut(contentType, ";")
	name, boundary, _ := strings.Cut(strings.TrimSpace(parameter), "=")
	if !strings.EqualFold(kind, "multipart/form-data") || !strings.EqualFold(name, "boundary") {
		return ""
	}
	if n := len(boundary); n >= 2 && boundary[0] == '"' && boundary[n-1] == '"' {
		boundary = boundary[1 : n-1]
	}
	for i := range len(boundary) {
		c := boundary[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
			return ""
		}
	}
	if len(boundary) > 70 {
		return ""
	}
	return boundary
}

// form is a multipart body, divided into its parts.
type form struct{ parts []formPart }

// formPart is one part of a multipart body.
type formPart struct {
	header  []byte // as it was sent
	content []byte // nil if it is longer than the limit for a part
	size    int64
	sum     [sha256.Size]byte
}

// readForm divides a body into its parts. It returns errNotStrict unless the body has exactly
// the form that clients write: each line of a delimiter and of the headers ends with CR LF, each
// part has headers, nothing is before the first delimiter or after the last, and the delimiter
// occurs nowhere else. So no parser that uses this boundary finds other parts. keep is the number
// of bytes of a part that are kept, and total that of all of them with their headers.
func readForm(src io.Reader, boundary string, keep, total int64) (*form, error) {
	s := &formScanner{in: bufio.NewReaderSize(src, 64<<10), marker: []byte("--" + boundary), keep: keep, left: total}
	if !s.next(boundary, "--", "\r\n") {
		return nil, s.failure()
	}
	f := &form{}
	for len(f.parts) < maxParts {
		part, ok := s.part()
		if !ok {
			return nil, s.failure()
		}
		f.parts = append(f.parts, part)
		switch {
		case s.next("", "", "\r\n"):
		case s.next("", "--", "\r\n") && s.ended():
			return f, s.err
		default:
			return nil, s.failure()
		}
	}
	return nil, errNotStrict
}

// formScanner reads a multipart body.
type formScanner struct {
	in         *bufio.Reader
	marker     []byte // the two hyphens and the boundary
	keep, left int64
	err        error // of the source
}

// failure returns the error of the source, or errNotStrict.
func (s *formScanner) failure() error {
	if s.err != nil {
		return s.err
	}
	return errNotStrict
}

// peek returns the next bytes, fewer than n only at the end.
func (s *formScanner) peek(n int) []byte {
	text, err := s.in.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	return text
}

// skip consumes bytes that peek has returned.
func (s *formScanner) skip(n int) { _, _ = s.in.Discard(n) }

// next consumes the text, which is before, boundary and after, if it comes next.
func (s *formScanner) next(boundary, before, after string) bool {
	text := before + boundary + after
	if string(s.peek(len(text))) != text {
		return false
	}
	s.skip(len(text))
	return true
}

// ended reports whether the body has ended.
func (s *formScanner) ended() bool { return len(s.peek(1)) == 0 && s.err == nil }

// part reads one part, from its headers to the delimiter after it.
func (s *formScanner) part() (part formPart, ok bool) {
	head := s.peek(maxPartHeader)
	end := bytes.Index(head, []byte("\r\n\r\n"))
	if end <= 0 || bytes.Contains(head[:end], s.marker) || !cleanLines(head[:end]) {
		return part, false
	}
	part.header = bytes.Clone(head[:end])
	s.left -= int64(end)
	s.skip(end + len("\r\n\r\n"))
	sum := sha256.New()
	for {
		text := s.peek(s.in.Size())
		i := bytes.Index(text, s.marker)
		switch {
		case s.err != nil:
			return part, false
		case i >= 2 && text[i-2] == '\r' && text[i-1] == '\n':
			s.add(&part, sum, text[:i-2])
			s.skip(i + len(s.marker))
			sum.Sum(part.sum[:0])
			return part, s.left >= 0
		case i >= 0, len(text) < s.in.Size(): // not at the beginning of a line, or never
			return part, false
		}
		sure := len(text) - len(s.marker) - 1 // the rest may be the begin of the next delimiter
		s.add(&part, sum, text[:sure])
		s.skip(sure)
	}
}

// add adds a piece of the content to the part.
func (s *formScanner) add(part *formPart, sum hash.Hash, text []byte) {
	_, _ = sum.Write(text)
	before := part.size
	part.size += int64(len(text))
	if part.size <= s.keep {
		part.content = append(part.content, text...)
		s.left -= int64(len(text))
	} else if before <= s.keep {
		part.content = nil
		s.left += before
	}
}

// cleanLines reports whether the lines of a header end with CR LF and in no other way.
func cleanLines(head []byte) bool {
	for line := range bytes.SplitSeq(head, []byte("\r\n")) {
		if len(line) == 0 || bytes.ContainsAny(line, "\r\n\x00") {
			return false
		}
	}
	return true
}

// bound returns the form as an approval binds it: the same parts with a boundary that depends
// on the parts alone, its content type, and a line for each part whose content is left out
// because it is too long to be kept, with the number and the SHA-256 of its bytes.
func (f *form) bound() (body []byte, contentType string, omitted []string, ok bool) {
	all := sha256.New()
	size := 0
	for i := range f.parts {
		part := &f.parts[i]
		// The header has no empty line, so the text of each part can be divided in one way only.
		_, _ = io.WriteString(all, strconv.Itoa(len(part.header))+" "+strconv.FormatInt(part.size, 10)+"\r\n")
		_, _ = all.Write(part.header)
		_, _ = all.Write(part.sum[:])
		size += len(part.header) + len(part.content) + 100
	}
	boundary := "aureus-" + hex.EncodeToString(all.Sum(nil)[:20])
	body = make([]byte, 0, size)
	for i := range f.parts {
		part := &f.parts[i]
		if bytes.Contains(part.content, []byte(boundary)) || bytes.Contains(part.header, []byte(boundary)) {
			return nil, "", nil, false
		}
		body = append(append(append(body, "--"+boundary+"\r\n"...), part.header...), "\r\n\r\n"...)
		body = append(append(body, part.content...), "\r\n"...)
		if part.size > int64(len(part.content)) {
			omitted = append(omitted, "part "+strconv.Itoa(i+1)+": "+sumText(part.size, part.sum[:]))
		}
	}
	return append(body, "--"+boundary+"--\r\n"...), "multipart/form-data; boundary=" + boundary, omitted, true
}

// sumText describes content by the number and the SHA-256 of its bytes.
func sumText(size int64, sum []byte) string {
	return strconv.FormatInt(size, 10) + " bytes, sha256:" + hex.EncodeToString(sum)
}
