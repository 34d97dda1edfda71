package jsonwrite

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestFloat_AnyNumber_IsWrittenAsByEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, math.Copysign(0, -1), 1, -1, 0.1, 1e20, 1e21, 1.5e21, 1e-6, 1e-7, 123456789012345680000, 1 << 53, 1<<53 + 2, -(1 << 53), math.MaxFloat64, math.SmallestNonzeroFloat64, 5e-324, 100, 1e-10} {
		got, err := Float(nil, f)
		require.NoError(t, err)
		want, err := json.Marshal(f)
		require.NoError(t, err)
		require.Equal(t, string(want), string(got))
	}
	for range 100_000 {
		f := math.Float64frombits(rand.Uint64())
		got, err := Float(nil, f)
		want, wantErr := json.Marshal(f)
		require.Equal(t, wantErr == nil, err == nil)
		if err == nil {
			require.Equal(t, string(want), string(got))
		}
	}
}

// Strings are examined eight bytes at once, so every byte is tried at every position
// of such a group and after it.
func TestString_SpecialByteAtAnyPosition_IsEscaped(t *testing.T) {
	if testing.Short() {
		t.Skip("one call after the other, and long: make test runs it")
	}
	t.Parallel()
	for c := range 256 {
		for _, length := range []int{1, 7, 8, 9, 17} {
			for at := range length {
				for _, filler := range []byte{'!', '[', 0xff} {
					text := []byte(strings.Repeat(string([]byte{filler}), length))
					text[at] = byte(c)
					requireString(t, string(text))
				}
			}
		}
	}
}

func requireString(t *testing.T, s string) {
	t.Helper()
	got := String([]byte("before"), s)
	require.Equal(t, "before", string(got[:6]))
	for _, c := range got[6:] {
		require.GreaterOrEqual(t, c, byte(' '), "%q", s)
	}
	if !utf8.ValidString(s) { // String leaves the bytes as they are; the caller replaces them later
		got, s = []byte(strings.ToValidUTF8(string(got), "\uFFFD")), strings.ToValidUTF8(s, "\uFFFD")
	}
	var back string
	require.NoError(t, json.Unmarshal(got[6:], &back), "%q", s)
	require.Equal(t, s, back)
}

func FuzzString(f *testing.F) {
	f.Add("a\"b\\c\n\x00\x1f\x7fé\u2028\xff")
	f.Fuzz(requireString)
}

func BenchmarkString(b *testing.B) {
	text := strings.Repeat("/transfers/", 10)
	buffer := make([]byte, 0, 256)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		buffer = String(buffer[:0], text)
	}
}
