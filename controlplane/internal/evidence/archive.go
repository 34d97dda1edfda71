package evidence

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

var archiveStart = []byte(`{"archive":`)

// ArchiveLine returns the last line of an archive, without the newline. unix_nano is the
// time that the signature covers; archived_at is the same time as text.
func ArchiveLine(a storage.Archive) ([]byte, error) {
	return strictjson.MarshalText(map[string]any{"archive": map[string]any{
		"tenant": a.Tenant, "sequence": a.Sequence, "hash": a.Hash, "archived_at": string(aureus.TimestampOf(a.At)),
		"unix_nano": a.At.UnixNano(), "public_key": a.KeyText(), "signature": base64.StdEncoding.EncodeToString(a.Signature),
	}})
}

type archiveLine struct {
	Archive struct {
		Tenant     string `json:"tenant"`
		Sequence   int64  `json:"sequence"`
		Hash       string `json:"hash"`
		ArchivedAt string `json:"archived_at"`
		UnixNano   int64  `json:"unix_nano"`
		PublicKey  string `json:"public_key"`
		Signature  string `json:"signature"`
	} `json:"archive"`
}

// readArchive reads the line that ArchiveLine has written, and checks its signature.
func readArchive(line []byte) (storage.Archive, error) {
	var read archiveLine
	if err := strictjson.Unmarshal(line, &read); err != nil {
		return storage.Archive{}, invalidf("the end of an archive: %w", err)
	}
	in := read.Archive
	key, keyErr := base64.StdEncoding.Strict().DecodeString(in.PublicKey)
	signature, signatureErr := base64.StdEncoding.Strict().DecodeString(in.Signature)
	a := storage.Archive{
		Tenant: in.Tenant, Sequence: in.Sequence, Hash: in.Hash, At: time.Unix(0, in.UnixNano).UTC(),
		PublicKey: ed25519.PublicKey(key), Signature: signature,
	}
	again, err := ArchiveLine(a)
	if err != nil || keyErr != nil || signatureErr != nil || !bytes.Equal(again, line) {
		return a, invalidf("the end of an archive is not written as the server writes it")
	}
	if !a.Signed() {
		return a, invalidf("the end of the archive is not signed by the key that it names")
	}
	return a, nil
}
