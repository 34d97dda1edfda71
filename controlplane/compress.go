package controlplane

import (
	"compress/gzip"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// compressFrom is the size of an answer, in bytes, from which on compressing it
// pays.
const compressFrom = 4 << 10

// gzipBytes is what compressing an answer takes in memory: measured, 814 kB.
const gzipBytes = 1 << 20

var gzipWriters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// compressor compresses an answer of JSON that turns out to be long, for a
// client that takes it. What is flushed before that goes out as it is.
type compressor struct {
	http.ResponseWriter
	status  int
	waiting []byte // the beginning, while it is not known how long the answer is
	decided bool
	gzip    *gzip.Writer // nil: the answer goes out as it is
	info    *requestInfo // of the request that is answered
}

// takesGzip reports whether the client says that it takes gzip (RFC 9110, 12.5.3).
func takesGzip(r *http.Request) bool {
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

func (c *compressor) WriteHeader(status int) {
	if status < http.StatusOK {
		c.ResponseWriter.WriteHeader(status)
		return
	}
	if c.status == 0 {
		c.status = status
	}
}

func (c *compressor) Write(p []byte) (int, error) {
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

func (c *compressor) compressible() bool {
	kind := c.Header().Get("Content-Type")
	return (kind == "application/json" || kind == "application/x-ndjson") && c.Header().Get("Content-Encoding") == ""
}

// decide sends the header and what waited. No answer is ever cached, so none says
// that it varies.
func (c *compressor) decide(compressed bool) error {
	c.decided = true
	if compressed && c.info.account.Charge(gzipBytes) == nil { // else there is no memory for it
		c.Header().Set("Content-Encoding", "gzip")
		c.Header().Del("Content-Length")
		c.gzip, _ = gzipWriters.Get().(*gzip.Writer)
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

// FlushError sends what there is, for a client that follows.
func (c *compressor) FlushError() error {
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
func (c *compressor) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// finish sends the rest of an answer that came to its end.
func (c *compressor) finish() {
	if !c.decided {
		_ = c.decide(false) // a client that is gone does not hear of it
	}
	if c.gzip != nil {
		_ = c.gzip.Close() // the same
		c.gzip.Reset(io.Discard)
		gzipWriters.Put(c.gzip)
	}
}
