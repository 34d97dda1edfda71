package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// compressFrom is the size of a response, in bytes, from which on it is compressed.
const compressFrom = 4 << 10

// gzipBytes is what compressing a response takes in memory: 814 kB were measured.
const gzipBytes = 1 << 20

var gzipPool = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// gzipWriter compresses a JSON response once compressFrom bytes of it are written.
// A response that is flushed before that is sent uncompressed.
type gzipWriter struct {
	http.ResponseWriter
	status  int
	waiting []byte // the beginning, until it is decided whether to compress
	decided bool
	gzip    *gzip.Writer // nil where the response is not compressed
	request *requestState
}

// acceptsGzip reports whether the client says that it takes gzip (RFC 9110, 12.5.3).
func acceptsGzip(r *http.Request) bool {
	for _, value := range r.Header.Values("Accept-Encoding") {
		for part := range strings.SplitSeq(value, ",") {
			coding, quality, _ := strings.Cut(strings.TrimSpace(part), ";")
			if !strings.EqualFold(strings.TrimSpace(coding), "gzip") {
				continue
			}
			text, given := strings.CutPrefix(strings.ReplaceAll(quality, " ", ""), "q=")
			q, err := strconv.ParseFloat(text, 64)
			return !given || (err == nil && q > 0)
		}
	}
	return false
}

func (c *gzipWriter) WriteHeader(status int) {
	if status < http.StatusOK {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	if c.status == 0 {
		c.status = status
	}
}

func (c *gzipWriter) Write(p []byte) (int, error) {
	if c.status == 0 {
		c.status = http.StatusOK
	}
	if !c.decided {
		if len(c.waiting)+len(p) < compressFrom {
			c.waiting = append(c.waiting, p...)
			return len(p), nil
		}
		if err := c.decide(c.compressible()); err != nil {
			return 0, err
		}
	}
	if c.gzip != nil {
		return c.gzip.Write(p)
	}
	return c.ResponseWriter.Write(p)
}

func (c *gzipWriter) compressible() bool {
	kind := c.Header().Get("Content-Type")
	return (kind == "application/json" || kind == "application/x-ndjson") && c.Header().Get("Content-Encoding") == ""
}

// decide sends the header and the bytes that waited. Responses are never cached, so
// none needs a Vary header.
func (c *gzipWriter) decide(compressed bool) error {
	c.decided = true
	if compressed && c.request.account.Charge(gzipBytes) == nil { // otherwise there is no memory for it
		c.Header().Set("Content-Encoding", "gzip")
		c.Header().Del("Content-Length")
		c.gzip, _ = gzipPool.Get().(*gzip.Writer)
		c.gzip.Reset(c.ResponseWriter)
	}
	if c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	waiting := c.waiting
	c.waiting = nil
	if len(waiting) == 0 {
		return nil
	}
	var err error
	if c.gzip != nil {
		_, err = c.gzip.Write(waiting)
	} else {
		_, err = c.ResponseWriter.Write(waiting)
	}
	return err
}

// FlushError sends what has been written, for a client that follows a stream.
func (c *gzipWriter) FlushError() error {
	if !c.decided {
		if err := c.decide(false); err != nil {
			return err
		}
	}
	if c.gzip != nil {
		if err := c.gzip.Flush(); err != nil {
			return err
		}
	}
	return http.NewResponseController(c.ResponseWriter).Flush()
}

// Unwrap lets an http.ResponseController find deadlines.
func (c *gzipWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// finish sends the rest of a complete response.
func (c *gzipWriter) finish() {
	if !c.decided {
		_ = c.decide(false) // fails where the client is gone
	}
	if c.gzip != nil {
		_ = c.gzip.Close() // the same
		c.gzip.Reset(io.Discard)
		gzipPool.Put(c.gzip)
	}
}
