package web

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// minCompressed is the smallest size of a response, in bytes, that is compressed.
const minCompressed = 4 << 10

// gzipBytes is the memory charged for compressing a response; 814 kB were measured.
const gzipBytes = 1 << 20

var gzipPool = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// gzipWriter compresses a JSON response of at least minCompressed bytes. A response that
// is flushed before it reaches that size is sent uncompressed.
type gzipWriter struct {
	http.ResponseWriter
	status  int
	waiting []byte // the first bytes, until decide is called
	decided bool
	gzip    *gzip.Writer // nil if the response is not compressed
	request *requestState
}

// acceptsGzip reports whether the header Accept-Encoding permits gzip (RFC 9110,
// section 12.5.3).
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
		if len(c.waiting)+len(p) < minCompressed {
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

// decide sends the header and the waiting bytes, compressed if possible. No response
// may be cached, so none needs a Vary header.
func (c *gzipWriter) decide(compressed bool) error {
	c.decided = true
	if compressed && c.request.account.Charge(gzipBytes) == nil { // if the memory is not available, the response is sent uncompressed
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

// FlushError sends everything that has been written.
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

// Unwrap lets an http.ResponseController set deadlines.
func (c *gzipWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// finish sends the rest of a response after its handler has returned.
func (c *gzipWriter) finish() {
	if !c.decided {
		_ = c.decide(false) // it fails if the client has disconnected
	}
	if c.gzip != nil {
		_ = c.gzip.Close() // as above
		c.gzip.Reset(io.Discard)
		gzipPool.Put(c.gzip)
	}
}
