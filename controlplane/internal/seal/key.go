// Package seal holds the installation key: the Ed25519 key with which a control plane
// signs the checkpoints of its audit logs, and from which the keys of its message
// authentication codes are derived. The key is in a file of its own beside the database,
// so that somebody who can write the database cannot sign.
package seal

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"sync"
)

// macInfo begins the info of the derivation of a key for codes; the purpose follows.
const macInfo = "aureus.mac.v1 "

// Key is an installation key: the one that signs now, and those that it replaced. Make
// one with [Ring.Use]. It is safe for concurrent use. Its texts, in every format of
// package fmt, show the public key only.
type Key struct {
	current ed25519.PrivateKey
	retired []ed25519.PrivateKey // newest first
	derived sync.Map             // of derivation to its []byte
}

type derivation struct {
	number  int // 0 is the current key, n the retired key n-1
	purpose string
}

// Public returns the public key that belongs to the signatures of Sign.
func (k *Key) Public() ed25519.PublicKey { return publicOf(k.current) }

// Sign returns the Ed25519 signature of the message, 64 bytes.
func (k *Key) Sign(message []byte) []byte { return ed25519.Sign(k.current, message) }

// MAC returns the HMAC-SHA256 of the parts, 32 bytes, under a key that is derived from
// the installation key for the purpose alone. Each part is preceded by its length as a
// big-endian 64-bit integer, so that different parts never have the same encoding.
// purpose is a constant of the program, never a value from outside: each purpose stays
// in memory.
func (k *Key) MAC(purpose string, parts ...string) []byte { return k.mac(0, purpose, parts) }

// CheckMAC reports whether MAC returned the code for the purpose and the parts, with
// this key or with one that it replaced.
func (k *Key) CheckMAC(code []byte, purpose string, parts ...string) bool {
	for number := range 1 + len(k.retired) {
		if hmac.Equal(code, k.mac(number, purpose, parts)) {
			return true
		}
	}
	return false
}

func (k *Key) mac(number int, purpose string, parts []string) []byte {
	h := hmac.New(sha256.New, k.derive(derivation{number, purpose}))
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		_, _ = h.Write(length[:]) // a hash never fails
		_, _ = h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// derive returns the key for codes with HKDF (RFC 5869) over SHA-256, from the 32 bytes
// of the Ed25519 seed, without a salt.
func (k *Key) derive(d derivation) []byte {
	if known, ok := k.derived.Load(d); ok {
		secret, _ := known.([]byte)
		return secret
	}
	from := k.current
	if d.number > 0 {
		from = k.retired[d.number-1]
	}
	secret, err := hkdf.Key(sha256.New, from.Seed(), nil, macInfo+d.purpose, sha256.Size)
	if err != nil { // only if more bytes are asked for than HKDF can give
		panic("seal: deriving a key: " + err.Error())
	}
	k.derived.Store(d, secret)
	return secret
}

// String returns the public key in base64, so that printing a key shows no secret.
func (k *Key) String() string { return "installation key " + PublicText(k.Public()) }

// GoString is String, for the format %#v.
func (k *Key) GoString() string { return k.String() }

// PublicText returns a public key in base64.
func PublicText(key ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(key) }

func publicOf(key ed25519.PrivateKey) ed25519.PublicKey {
	return ed25519.PublicKey(key[ed25519.SeedSize:])
}
