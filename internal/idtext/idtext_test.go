package idtext_test

import (
	"bytes"
	"strings"
	"testing"
	"testing/quick"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/internal/idtext"
)

func TestDecode_EncodedID_ReturnsTheID(t *testing.T) {
	t.Parallel()
	require.NoError(t, quick.Check(func(id [16]byte) bool {
		back, ok := idtext.Decode([]byte("dec_"+idtext.Encode(id)), "dec_")
		return ok && back == id
	}, nil))
}

func TestEncode_TwoIDs_SortAsTheirBytesDo(t *testing.T) {
	t.Parallel()
	require.NoError(t, quick.Check(func(a, b [16]byte) bool {
		return bytes.Compare(a[:], b[:]) == strings.Compare(idtext.Encode(a), idtext.Encode(b))
	}, nil))
}

func TestDecode_OtherText_IsRefused(t *testing.T) {
	t.Parallel()
	good := "dec_" + idtext.Encode([16]byte{1, 2, 3})
	for _, text := range []string{"", "dec_", good[4:], good + "0", good[:len(good)-1], good[:len(good)-1] + "!", "apr_" + good[4:], "DEC_" + good[4:], "dec_zzzzzzzzzzzzzzzzzzzzzzzzzz"} {
		_, ok := idtext.Decode([]byte(text), "dec_")
		require.False(t, ok, "%q", text)
	}
}

func TestIsApproval_OtherText_IsFalse(t *testing.T) {
	t.Parallel()
	id := idtext.Approval([16]byte{1})
	require.True(t, idtext.IsApproval(id))
	for _, text := range []string{"", "apr_", id[4:], "dec_" + id[4:], id + "0"} {
		require.False(t, idtext.IsApproval(text), "%q", text)
	}
}
