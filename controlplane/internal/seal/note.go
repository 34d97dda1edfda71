package seal

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Origin returns the name under which an installation signs: the checkpoints of a
// tenant's audit log, or, without a tenant, its keys. logID identifies the installation
// and stays the same in restored copies.
func Origin(logID, tenant string) string {
	if tenant == "" {
		return "aureus/" + logID
	}
	return "aureus/" + logID + "/" + tenant
}

// SignNote returns the text as a signed note of the C2SP, signed by the key under the
// name. text must end with a newline.
func (k *Key) SignNote(name, text string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: text}, signerOf(name, k.current))
	return string(signed), err
}

// noteSigner is a [note.Signer]. Its hash of the key is the one of its verifier.
type noteSigner struct {
	noteVerifier

	key ed25519.PrivateKey
}

type noteVerifier struct{ note.Verifier }

// Sign implements [note.Signer].
func (s noteSigner) Sign(message []byte) ([]byte, error) { return ed25519.Sign(s.key, message), nil }

func signerOf(name string, key ed25519.PrivateKey) noteSigner {
	verifier, err := verifierOf(name, publicOf(key))
	if err != nil {
		panic("seal: a name that no note may have: " + err.Error()) // names are checked where tenants are
	}
	return noteSigner{verifier, key}
}

// VerifierText returns a public key in the form in which programs for signed notes take
// it: NAME+HASH+KEY.
func VerifierText(name string, key ed25519.PublicKey) (string, error) {
	return note.NewEd25519VerifierKey(name, key)
}

func verifierOf(name string, key ed25519.PublicKey) (noteVerifier, error) {
	text, err := VerifierText(name, key)
	if err != nil {
		return noteVerifier{}, err
	}
	verifier, err := note.NewVerifier(text)
	return noteVerifier{verifier}, err
}

// Announcement says which key an installation signs with from a time on. The first one
// is signed by its own key, each later one by the key before it and by its own.
type Announcement struct {
	LogID  string
	Number int64 // 1 for the first key
	Key    ed25519.PublicKey
	Since  time.Time
}

// text returns the signed text: the name, "key" and the number, the public key in
// base64, and the time in RFC 3339 with nanoseconds, in UTC, each on its line.
func (a Announcement) text() string {
	return fmt.Sprintf("%s\nkey %d\n%s\n%s\n", Origin(a.LogID, ""), a.Number, PublicText(a.Key), a.Since.UTC().Format(time.RFC3339Nano))
}

// Announce returns the announcement of the key as a signed note. previous is the key
// that it replaces, or nil for the first one.
func (k *Key) Announce(a Announcement, previous *Key) (string, error) {
	name := Origin(a.LogID, "")
	var signers []note.Signer
	if previous != nil {
		signers = append(signers, signerOf(name, previous.current))
	}
	signed, err := note.Sign(&note.Note{Text: a.text()}, append(signers, signerOf(name, k.current))...)
	return string(signed), err
}

// ReadAnnouncement reads an announcement that must be signed by its own key and, unless
// previous is nil, by that one.
func ReadAnnouncement(signed string, previous ed25519.PublicKey) (Announcement, error) {
	text, _, _ := strings.Cut(signed, "\n\n")
	lines := strings.Split(text, "\n")
	if len(lines) != 4 {
		return Announcement{}, fmt.Errorf("the announcement of a key has %d lines before its signatures, not 4", len(lines))
	}
	logID, isName := strings.CutPrefix(lines[0], "aureus/")
	number, isNumber := strings.CutPrefix(lines[1], "key ")
	n, err := strconv.ParseInt(number, 10, 64)
	key, keyErr := ParsePublic(lines[2])
	since, timeErr := time.Parse(time.RFC3339Nano, lines[3])
	if !isName || !isNumber || err != nil || keyErr != nil || timeErr != nil {
		return Announcement{}, errors.New("the announcement of a key does not have the lines aureus/ID, key NUMBER, the key in base64 and a time")
	}
	a := Announcement{LogID: logID, Number: n, Key: key, Since: since}
	signers := []ed25519.PublicKey{key}
	if previous != nil {
		signers = append(signers, previous)
	}
	for _, signer := range signers {
		text, err := OpenNote(signed, lines[0], signer)
		if err != nil {
			return Announcement{}, fmt.Errorf("the announcement of key %d: %w", n, err)
		}
		if text != a.text() {
			return Announcement{}, fmt.Errorf("the announcement of key %d is not written as an installation writes it", n)
		}
	}
	return a, nil
}

// OpenNote returns the text of a signed note that the key has signed under the name.
// Signatures by other keys are ignored, but their lines must be exactly as a signer
// writes them, so that no byte of a note can be changed unnoticed.
func OpenNote(signed, name string, key ed25519.PublicKey) (string, error) {
	verifier, err := verifierOf(name, key)
	if err != nil {
		return "", err
	}
	opened, err := note.Open([]byte(signed), note.VerifierList(verifier))
	if err != nil {
		return "", fmt.Errorf("it is not signed by the key %s", PublicText(key))
	}
	for _, signature := range append(opened.Sigs, opened.UnverifiedSigs...) {
		if _, err := base64.StdEncoding.Strict().DecodeString(signature.Base64); err != nil {
			return "", errors.New("the base64 of a signature is not the usual one")
		}
	}
	return opened.Text, nil
}

// ParsePublic reads a public key in base64.
func ParsePublic(text string) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("a public key is the base64 of %d bytes", ed25519.PublicKeySize)
	}
	return key, nil
}
