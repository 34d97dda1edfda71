// Package idtext encodes and decodes the ids that this module creates: a prefix such
// as "dec_", and 16 bytes as 26 characters of base32.
package idtext

import "encoding/base32"

// The digits are in ASCII order, so that ids sort as their bytes do.
var encoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

const approvalPrefix = "apr_"

// Encode returns 16 bytes as 26 characters of base32.
func Encode(id [16]byte) string { return encoding.EncodeToString(id[:]) }

// Decode returns the bytes of an id with this prefix. ok is false if the text is not
// the prefix followed by the output of [Encode].
func Decode(text []byte, prefix string) (id [16]byte, ok bool) {
	if len(text) != len(prefix)+26 || string(text[:len(prefix)]) != prefix {
		return id, false
	}
	n, err := encoding.Decode(id[:], text[len(prefix):])
	return id, err == nil && n == len(id)
}

// Approval returns the bytes as the id of an approval: "apr_" and 26 characters.
func Approval(raw [16]byte) string { return approvalPrefix + Encode(raw) }

// IsApproval reports whether the text has the form of an approval's id.
func IsApproval(text string) bool {
	_, ok := Decode([]byte(text), approvalPrefix)
	return ok
}
