package storage

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/farmountain/aureus-go/aureus"
)

// archiveVersion is the first part of the signed message.
const archiveVersion = "aureus.audit.archive.v1"

// Archive records that the beginning of a tenant's chain, up to and including one
// entry, was written to a file and signed. It stays in the store after the entries
// are deleted, because the rest of the chain begins with its hash.
type Archive struct {
	Tenant    string
	Sequence  int64     // of the last entry
	Hash      string    // of the last entry
	At        time.Time // when the archive was made
	PublicKey ed25519.PublicKey
	Signature []byte
}

// Message returns the signed bytes: the version, the tenant, the sequence, the hash
// and the time in Unix nanoseconds. Each is a text, preceded by its length in bytes
// as a big-endian 64-bit integer.
func (a Archive) Message() []byte {
	var b bytes.Buffer
	for _, part := range []string{archiveVersion, a.Tenant, strconv.FormatInt(a.Sequence, 10), a.Hash, strconv.FormatInt(a.At.UnixNano(), 10)} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		b.WriteString(part)
	}
	return b.Bytes()
}

// Signed reports whether the signature is valid for PublicKey. It does not check
// who owns that key.
func (a Archive) Signed() bool {
	return len(a.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(a.PublicKey, a.Message(), a.Signature)
}

// KeyText returns the public key in base64.
func (a Archive) KeyText() string { return base64.StdEncoding.EncodeToString(a.PublicKey) }

// EachAudit calls visit, in order, for the tenant's entries whose sequences are
// greater than after and at most upTo. It reads each page in a view of its own, and
// calls visit between the views.
func EachAudit(ctx context.Context, s Store, tenant string, after, upTo int64, visit func(aureus.AuditRecord) error) error {
	for after < upTo {
		var page []aureus.AuditRecord
		err := s.View(ctx, func(t Tx) (err error) {
			page, err = t.Audit().List(tenant, AuditFilter{After: after, Limit: VerifyPage})
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range page {
			if e.Sequence > upTo {
				return nil
			}
			if err := visit(e); err != nil {
				return err
			}
			after = e.Sequence
		}
		if len(page) == 0 {
			return nil
		}
	}
	return nil
}
