package aureus

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestReadWhole_AnyAnnouncedLength_ReadsEverything(t *testing.T) {
	const text = `{"allowed":true}`
	long := strings.Repeat("x", 3000)
	for name, row := range map[string]struct {
		reader io.Reader
		length int64
		want   string
	}{
		"correct length":            {strings.NewReader(text), int64(len(text)), text},
		"none":                      {strings.NewReader(text), -1, text},
		"unknown length, long body": {strings.NewReader(long), -1, long},
		"too small":                 {strings.NewReader(long), 1, long},
		"zero":                      {strings.NewReader(text), 0, text},
		"too large":                 {strings.NewReader(text), 1 << 40, text},
		"byte by byte":              {iotest.OneByteReader(strings.NewReader(long)), 10, long},
		"EOF with the last byte":    {iotest.DataErrReader(strings.NewReader(text)), int64(len(text)), text},
		"empty":                     {strings.NewReader(""), 0, ""},
	} {
		got, err := readWhole(row.reader, row.length)
		require.NoError(t, err, name)
		require.Equal(t, row.want, string(got), name)
	}
	_, err := readWhole(io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), int64(len(text)))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF, "an incomplete body is an error")
}

func TestReadWhole_EndlessBody_StopsAtTheLimit(t *testing.T) {
	for _, length := range []int64{-1, 0, 1 << 40} {
		got, err := readWhole(endless{}, length)
		require.NoError(t, err)
		require.Greater(t, len(got), maxResponse)
		require.Less(t, len(got), 2*maxResponse)
	}
}

// A response whose Content-Length is correct is read with one allocation.
func TestReadWhole_RightLength_AllocatesOnce(t *testing.T) {
	text := bytes.Repeat([]byte("x"), 700)
	reader := bytes.NewReader(text)
	allocations := testing.AllocsPerRun(100, func() {
		reader.Reset(text)
		if got, err := readWhole(reader, int64(len(text))); err != nil || len(got) != len(text) {
			panic(errors.New("not the whole"))
		}
	})
	require.LessOrEqual(t, allocations, 1.0)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
