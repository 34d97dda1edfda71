package middleware

import (
	"bytes"
	"io"
	"mime/multipart"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// A form that is bound by its parts has, for the parser of the standard library, exactly these
// parts, and what is bound has the same parts again.
func FuzzReadForm(f *testing.F) {
	const part = "Content-Disposition: form-data; name=\"a\"\r\n\r\n"
	for _, body := range []string{
		"--b\r\n" + part + "x\r\n--b--\r\n",
		"--b\r\n" + part + "\r\n--b\r\n" + part + "\r\n\r\n--b--\r\n",
		"--b\n" + part + "x\n--b--\n", "--b--\r\n", "", "--b\r\n\r\n\r\n--b--\r\n",
		"--b\r\n" + part + strings.Repeat("x", 100) + "\r\n--b\r\n" + part + "y\r\n--b--\r\n",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, keep := range []int64{1 << 20, 10} {
			parsed, err := readForm(strings.NewReader(body), "b", keep, 1<<20)
			again, errAgain := readForm(iotest.OneByteReader(strings.NewReader(body)), "b", keep, 1<<20)
			require.Equal(t, err, errAgain)
			require.Equal(t, parsed, again)
			if err != nil {
				continue
			}
			reader := multipart.NewReader(strings.NewReader(body), "b")
			for i := range parsed.parts {
				part, err := reader.NextRawPart()
				if err != nil {
					return // the standard library refuses headers that are kept as they are
				}
				content, err := io.ReadAll(part)
				require.NoError(t, err)
				require.Equal(t, int64(len(content)), parsed.parts[i].size)
				if parsed.parts[i].size <= keep {
					require.True(t, bytes.Equal(content, parsed.parts[i].content))
				}
			}
			_, err = reader.NextRawPart()
			require.ErrorIs(t, err, io.EOF)
			text, contentType, omitted, ok := parsed.bound()
			if !ok || omitted != nil {
				continue
			}
			bound, err := readForm(bytes.NewReader(text), formBoundary(contentType), keep, 1<<20)
			require.NoError(t, err)
			require.Equal(t, parsed, bound)
		}
	})
}

// The delimiter may be divided between two reads, at any position.
func TestReadForm_DelimiterAtTheEdgeOfTheBuffer_IsFound(t *testing.T) {
	t.Parallel()
	const part = "Content-Disposition: form-data; name=\"a\"\r\n\r\n"
	for size := 64<<10 - 100; size < 64<<10+10; size++ {
		body := "--b\r\n" + part + strings.Repeat("x", size) + "\r\n--b\r\n" + part + "y\r\n--b--\r\n"
		parsed, err := readForm(strings.NewReader(body), "b", 10, 1000)
		require.NoError(t, err, size)
		require.Len(t, parsed.parts, 2)
		require.Equal(t, int64(size), parsed.parts[0].size)
		require.Nil(t, parsed.parts[0].content)
		require.Equal(t, "y", string(parsed.parts[1].content))
	}
}

func TestReadForm_Limits_AreKept(t *testing.T) {
	t.Parallel()
	const part = "--b\r\nA: 1\r\n\r\nx\r\n"
	_, err := readForm(strings.NewReader(strings.Repeat(part, maxParts)+"--b--\r\n"), "b", 10, 1<<20)
	require.NoError(t, err)
	_, err = readForm(strings.NewReader(strings.Repeat(part, maxParts+1)+"--b--\r\n"), "b", 10, 1<<20)
	require.ErrorIs(t, err, errNotStrict)
	_, err = readForm(strings.NewReader(strings.Repeat(part, 100)+"--b--\r\n"), "b", 10, 499)
	require.ErrorIs(t, err, errNotStrict)
	_, err = readForm(strings.NewReader("--b\r\nA: "+strings.Repeat("1", maxPartHeader)+"\r\n\r\nx\r\n--b--\r\n"), "b", 10, 1<<20)
	require.ErrorIs(t, err, errNotStrict)
	_, err = readForm(io.MultiReader(strings.NewReader(part), iotest.ErrReader(io.ErrNoProgress)), "b", 10, 1<<20)
	require.ErrorIs(t, err, io.ErrNoProgress)
}
