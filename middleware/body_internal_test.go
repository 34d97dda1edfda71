package middleware

import (
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// source is a body that records how it is used.
type source struct {
	io.Reader
	reads, closes int
}

func (s *source) Read(p []byte) (int, error) { s.reads++; return s.Reader.Read(p) }
func (s *source) Close() error               { s.closes++; return nil }

// wholeOf reads the whole body as the decider does.
func wholeOf(b *body) ([]byte, error) {
	if err := b.all(); err != nil {
		return nil, err
	}
	return b.kept, nil
}

func attached(src io.Reader, length, limit int64) (*body, *http.Request, *source) {
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	s := &source{Reader: src}
	r.Body, r.ContentLength = s, length
	return attachBody(r, &Options{MaxBody: limit}), r, s
}

// The handler gets exactly the bytes of the request, for any size of the reads in describe,
// and also if the decider reads the whole body.
func TestBody_ReadByDescribe_IsReadAgainByTheHandler(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	const limit = 4096
	for range 2000 {
		text := make([]byte, random.IntN(limit+1))
		for i := range text {
			text[i] = byte(random.IntN(256))
		}
		length := int64(len(text))
		if random.IntN(2) == 0 {
			length = -1
		}
		var from io.Reader = strings.NewReader(string(text))
		switch random.IntN(4) {
		case 0:
			from = iotest.OneByteReader(from)
		case 1:
			from = iotest.DataErrReader(from)
		case 2:
			from = iotest.HalfReader(from)
		}
		b, r, src := attached(from, length, limit)

		part := random.IntN(len(text) + 2)
		described, err := io.ReadAll(io.LimitReader(r.Body, int64(part)))
		require.NoError(t, err)
		require.Equal(t, string(text[:min(part, len(text))]), string(described))
		require.NoError(t, r.Body.Close(), "a Close in describe does not close the body for the handler")
		if random.IntN(2) == 0 {
			whole, err := wholeOf(b)
			require.NoError(t, err)
			require.Equal(t, string(text), string(whole))
		}
		require.NoError(t, b.seal())
		require.Zero(t, src.closes)

		handler := b.forHandler()
		got, err := io.ReadAll(handler)
		require.NoError(t, err)
		require.Equal(t, string(text), string(got))
		n, err := handler.Read(make([]byte, 1))
		require.Zero(t, n)
		require.Equal(t, io.EOF, err)
		require.NoError(t, handler.Close())
		require.Equal(t, 1, src.closes)
	}
}

func TestBody_NotRead_IsTheOriginal(t *testing.T) {
	t.Parallel()
	b, _, src := attached(strings.NewReader("abc"), 3, 10)
	require.NoError(t, b.seal())
	require.Same(t, src, b.forHandler())
	require.Zero(t, src.reads)
}

func TestBody_LongerThanTheLimit_Fails(t *testing.T) {
	for name, row := range map[string]struct {
		size   int
		length int64
		reads  bool
		fits   bool
	}{
		"one byte less":                    {9, 9, true, true},
		"exactly":                          {10, 10, true, true},
		"exactly, chunked":                 {10, -1, true, true},
		"one byte more":                    {11, 11, false, false},
		"one byte more, chunked":           {11, -1, true, false},
		"much more, chunked":               {1 << 20, -1, true, false},
		"more than Content-Length":         {11, 5, true, false},
		"a Content-Length above the limit": {3, 1 << 40, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			b, _, src := attached(strings.NewReader(strings.Repeat("x", row.size)), row.length, 10)
			whole, err := wholeOf(b)
			if row.fits {
				require.NoError(t, err)
				require.Len(t, whole, row.size)
				require.NoError(t, b.seal())
				return
			}
			var large *http.MaxBytesError
			require.ErrorAs(t, err, &large)
			require.Equal(t, int64(10), large.Limit)
			require.Equal(t, row.reads, src.reads > 0, "a body whose Content-Length is too large is not read")
			require.LessOrEqual(t, len(b.kept), 11)
			require.ErrorAs(t, b.failure(), &large)
			require.ErrorAs(t, b.seal(), &large)
		})
	}
}

// describe gets the bytes within the limit, and then the error.
func TestBody_DescribeReadsBeyondTheLimit_Fails(t *testing.T) {
	t.Parallel()
	b, r, _ := attached(strings.NewReader(strings.Repeat("x", 100)), -1, 10)
	got, err := io.ReadAll(r.Body)
	require.Len(t, got, 10)
	var large *http.MaxBytesError
	require.ErrorAs(t, err, &large)
	require.ErrorAs(t, b.failure(), &large)
}

// Every reader gets the error, so none mistakes it for the end of the body.
func TestBody_Incomplete_Fails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	b, _, src := attached(io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(broken)), -1, 10)
	for range 2 {
		_, err := wholeOf(b)
		require.ErrorIs(t, err, broken)
	}
	require.Equal(t, 2, src.reads)
	require.ErrorIs(t, b.seal(), broken)
}

// A decider that reads after the decision cannot take bytes from the handler.
func TestBody_GetBodyAfterTheDecision_Fails(t *testing.T) {
	t.Parallel()
	b, _, src := attached(strings.NewReader("abc"), 3, 10)
	require.NoError(t, b.seal())
	_, err := wholeOf(b)
	require.ErrorIs(t, err, errBodyHandedOver)
	require.Zero(t, src.reads)

	b, _, _ = attached(strings.NewReader("abc"), 3, 10)
	_, err = wholeOf(b)
	require.NoError(t, err)
	require.NoError(t, b.seal())
	whole, err := wholeOf(b)
	require.NoError(t, err, "a principal that is known may be logged")
	require.Equal(t, "abc", string(whole))
}

// If the decider returns while the body is being read, the response does not wait for the
// read.
func TestBody_FailureDuringARead_DoesNotWait(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	b, _, _ := attached(reader, -1, 10)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = wholeOf(b)
	}()
	_, err := writer.Write([]byte("a")) // the read of the body has begun and has not ended
	require.NoError(t, err)
	require.NoError(t, b.failure())
	require.NoError(t, writer.Close())
	<-done
}

// The body behaves like that of the server.
func TestBody_ReadAfterClose_Fails(t *testing.T) {
	t.Parallel()
	b, _, _ := attached(strings.NewReader("abc"), 3, 10)
	_, err := wholeOf(b)
	require.NoError(t, err)
	require.NoError(t, b.seal())
	handler := b.forHandler()
	require.NoError(t, handler.Close())
	_, err = handler.Read(make([]byte, 1))
	require.ErrorIs(t, err, http.ErrBodyReadAfterClose)
}

// A handler that reads beyond the kept bytes does not hold the lock that Close needs.
func TestBody_Close_InterruptsARead(t *testing.T) {
	t.Parallel()
	reader, writer := io.Pipe()
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Body, r.ContentLength = reader, -1
	b := attachBody(r, &Options{MaxBody: 10})
	go func() { _, _ = writer.Write([]byte("a")) }()
	_, err := io.ReadFull(r.Body, make([]byte, 1))
	require.NoError(t, err)
	require.NoError(t, b.seal())
	handler := b.forHandler()
	_, err = io.ReadFull(handler, make([]byte, 1))
	require.NoError(t, err)
	read := make(chan error)
	go func() { _, err := handler.Read(make([]byte, 1)); read <- err }()
	require.NoError(t, handler.Close())
	require.Error(t, <-read)
}
