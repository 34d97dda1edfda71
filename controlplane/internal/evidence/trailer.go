// Package evidence writes exports of an audit log that a stranger can check without the
// server, and checks them: the chain of the entries, the Merkle tree over them, the
// signature of its head, and the succession of the signing keys. docs/spec/evidence.md
// describes the bytes.
package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const maxKeys = 64 // as in a key file

// ErrInvalid means that something is not what an installation has written and signed.
var ErrInvalid = errors.New("the evidence is not valid")

func invalidf(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrInvalid}, args...)...)
}

// Seal is the last line of an export, which holds the signed head and what is needed to
// check it.
type Seal struct {
	Tenant     string                 `json:"tenant"`
	First      int64                  `json:"first"`           // the sequence of the first entry of the export
	Prefix     []string               `json:"prefix,omitzero"` // the hashes of the tree before it, in base64: merkle.Prefix
	Checkpoint aureus.AuditCheckpoint `json:"checkpoint"`
}

type sealLine struct {
	Evidence Seal `json:"evidence"`
}

var sealStart = []byte(`{"evidence":`)

// Line returns the line, without the newline.
func (s Seal) Line() ([]byte, error) { return strictjson.MarshalText(sealLine{s}) }

// readSeal reads the line that Line has written, byte by byte.
func readSeal(line []byte) (Seal, error) {
	var read sealLine
	if err := strictjson.Unmarshal(line, &read); err != nil {
		return Seal{}, invalidf("the line with the checkpoint: %w", err)
	}
	again, err := read.Evidence.Line()
	if err != nil || !bytes.Equal(again, line) {
		return Seal{}, invalidf("the line with the checkpoint is not written as an installation writes it")
	}
	return read.Evidence, nil
}

// prefix returns the tree before the first entry.
func (s Seal) prefix() (merkle.Prefix, error) {
	hashes, err := parseHashes(s.Prefix)
	if err != nil {
		return merkle.Prefix{}, err
	}
	return merkle.NewPrefix(s.First-1, hashes)
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		raw, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(raw) != tlog.HashSize {
			return nil, fmt.Errorf("hash %d is not the base64 of %d bytes", i+1, tlog.HashSize)
		}
		copy(hashes[i][:], raw)
	}
	return hashes, nil
}

// HashTexts returns hashes in base64.
func HashTexts(hashes []tlog.Hash) []string {
	texts := make([]string, len(hashes))
	for i, hash := range hashes {
		texts[i] = hash.String()
	}
	return texts
}

// Signers is the succession of the signing keys of an installation.
type Signers struct {
	LogID string
	Keys  []ed25519.PublicKey // the first one first; the last one signs
}

// ReadSigners reads announcements and checks that each key was announced by the one
// before it. If trusted is not empty, one of its keys must be among them: then nobody but
// the holders of that key and of its successors has signed what the last one signs.
func ReadSigners(announcements []string, trusted ...ed25519.PublicKey) (Signers, error) {
	var s Signers
	if n := len(announcements); n == 0 || n > maxKeys {
		return s, invalidf("it has %d announcements of signing keys, not 1 to %d", n, maxKeys)
	}
	var previous ed25519.PublicKey
	known := len(trusted) == 0
	for i, text := range announcements {
		a, err := seal.ReadAnnouncement(text, previous)
		if err != nil {
			return s, invalidf("%w", err)
		}
		if a.Number != int64(i+1) || i > 0 && a.LogID != s.LogID {
			return s, invalidf("the announcement of key %d of %s is not in its place", a.Number, a.LogID)
		}
		for _, key := range trusted {
			known = known || key.Equal(a.Key)
		}
		s.LogID, previous = a.LogID, a.Key
		s.Keys = append(s.Keys, a.Key)
	}
	if !known {
		return s, invalidf("it is signed by the key %s, which does not follow from the key that was given", seal.PublicText(previous))
	}
	return s, nil
}

// Open checks that a signing key of the succession has signed the checkpoint for the
// tenant, and returns it. last means that it must be the last key.
func (s Signers) Open(note, tenant string, last bool) (merkle.Checkpoint, error) {
	origin := seal.Origin(s.LogID, tenant)
	if named, _, _ := strings.Cut(note, "\n"); named != origin {
		return merkle.Checkpoint{}, invalidf("the checkpoint is about %.200q, not about %s", named, origin)
	}
	keys := s.Keys
	if last {
		keys = keys[len(keys)-1:]
	}
	var problem error
	for _, key := range slices.Backward(keys) {
		text, err := seal.OpenNote(note, origin, key)
		if err != nil {
			problem = errors.Join(problem, err)
			continue
		}
		c, err := merkle.ParseCheckpoint(text)
		if err != nil {
			return c, invalidf("%w", err)
		}
		return c, nil
	}
	return merkle.Checkpoint{}, invalidf("the checkpoint: %w", problem)
}
