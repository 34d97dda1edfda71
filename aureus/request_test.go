package aureus

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// closer closes the body during a write.
type closer struct {
	body     io.Closer
	exchange *exchange
	open     int32 // readers that the exchange counts during the write
}

func (c *closer) Write(p []byte) (int, error) {
	err := c.body.Close()
	c.open = c.exchange.open.Load()
	return len(p), errors.Join(err, c.body.Close())
}

// A buffer is reused only when no read is under way, even if the body was closed.
func TestBodyReader_ClosedDuringARead_IsReleasedAfterIt(t *testing.T) {
	x := &exchange{body: []byte("body")}
	x.call.released = func() {}

	body := x.reader()
	w := &closer{body: body, exchange: x}
	_, err := io.Copy(w, body)
	require.NoError(t, err)
	require.EqualValues(t, 1, w.open, "the body is closed during the write")
	require.Zero(t, x.open.Load())
	_, err = body.Read(make([]byte, 1))
	require.ErrorIs(t, err, errBodyClosed)
	_, err = io.Copy(&bytes.Buffer{}, body)
	require.ErrorIs(t, err, errBodyClosed)

	body, other := x.reader(), x.reader()
	text, err := io.ReadAll(struct{ io.Reader }{body})
	require.NoError(t, err)
	require.Equal(t, "body", string(text))
	require.EqualValues(t, 2, x.open.Load())
	for range 2 {
		require.NoError(t, body.Close())
	}
	require.EqualValues(t, 1, x.open.Load())
	require.NoError(t, other.Close())
	require.Zero(t, x.open.Load())
}
