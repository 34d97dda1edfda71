package storage

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/farmountain/aureus-go/aureus"
)

// chainVersion is the first part of the hashed bytes, so that a later format has
// other hashes.
const chainVersion = "aureus.audit.v1"

// chainHash returns the hash of an audit entry: the lower-case hex of the SHA-256 of
// the version, the tenant, and the entry's fields in the order of
// aureus.AuditRecord, with the previous entry's hash last. Each part is preceded by
// its length in bytes as a big-endian 64-bit integer, so that two different entries
// never have the same encoding. A part is the text of the API: the sequence in
// decimal, an absent field as an empty text, the details as compact JSON with sorted
// names. The first entry of a chain has an empty previous hash.
func chainHash(tenant, sequence string, e *aureus.AuditRecord, details string) string {
	h := sha256.New()
	for _, part := range [...]string{
		chainVersion, tenant, sequence, string(e.Timestamp), e.Kind, e.DecisionID.String(), e.Principal, e.OnBehalfOf,
		e.Action, e.Decision, string(e.ReasonCode), string(e.FromState), string(e.ToState), e.ActionDigest.String(),
		e.ApprovalID, e.By, e.KeyID, details, e.PreviousHash,
	} {
		writePart(h, part)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writePart(h hash.Hash, part string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(part)))
	_, _ = h.Write(length[:]) // a hash never fails
	_, _ = h.Write([]byte(part))
}
