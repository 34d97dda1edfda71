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

// archiveVersion begins what is signed.
const archiveVersion = "aureus.audit.archive.v1"

// Archive is the beginning of a tenant's chain, up to and including one entry,
// that was written to a file. It stays in the store when the entries are deleted:
// the chain goes on from its hash.
type Archive struct {
	Tenant    string
	Sequence  int64 // of the last entry
	Hash      string
	At        time.Time
	PublicKey ed25519.PublicKey
	Signature []byte
}

// Message is what the signature is of: the version, the tenant, the sequence, the
// hash and the time in Unix nanoseconds, each as text behind its length in bytes,
// which is eight bytes, big-endian.
func (a Archive) Message() []byte {
	var b bytes.Buffer
	for _, part := range []string{archiveVersion, a.Tenant, strconv.FormatInt(a.Sequence, 10), a.Hash, strconv.FormatInt(a.At.UnixNano(), 10)} {
		b.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		b.WriteString(part)
	}
	return b.Bytes()
}

// Signed reports whether the signature is that of its own public key. Whose key
// that is, the reader has to know.
func (a Archive) Signed() bool {
	return len(a.PublicKey) == ed25519.PublicKeySize && ed25519.Verify(a.PublicKey, a.Message(), a.Signature)
}

// KeyText is the public key in base64.
func (a Archive) KeyText() string { return base64.StdEncoding.EncodeToString(a.PublicKey) }

// EachAudit calls visit for the entries of the tenant in order, behind the
// sequence after and up to upTo. It reads page by page, in a view for each, and
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
