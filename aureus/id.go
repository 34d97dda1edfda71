package aureus

import "encoding/base32"

// idEncoding keeps the order of the bytes in the order of the text.
var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// EncodeID writes 16 bytes as 26 characters of base32 that sort as the bytes
// do. Ids of decisions and approvals are a prefix and this text.
func EncodeID(id [16]byte) string { return idEncoding.EncodeToString(id[:]) }

func decodeID(text []byte, prefix string) (id [16]byte, ok bool) {
	if len(text) != len(prefix)+26 || string(text[:len(prefix)]) != prefix {
		return id, false
	}
	n, err := idEncoding.Decode(id[:], text[len(prefix):])
	return id, err == nil && n == len(id)
}
