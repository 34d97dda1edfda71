package merkle

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// emptyRoot is the root of a tree without leaves.
var emptyRoot = tlog.Hash(sha256.Sum256(nil))

// Checkpoint is the head of a tree. It is signed as a note: a checkpoint of C2SP's
// tlog-checkpoint, with two or three extension lines.
type Checkpoint struct {
	Origin string // see seal.Origin
	Size   int64  // the number of leaves, and the sequence of the last entry
	Root   tlog.Hash
	Time   time.Time // when it was made
	Head   string    // the hash of the last entry, in hex
	Absent int64     // the number of first leaves that are empty records: see Tiles
}

// Text returns the signed text: the origin, the size in decimal, the root in base64,
// "time" with the time in RFC 3339 and UTC, and "head" with the hash of the last entry,
// each on its line, and "absent" with its number if there are empty records.
func (c Checkpoint) Text() string {
	text := fmt.Sprintf("%s\n%d\n%s\ntime %s\nhead %s\n", c.Origin, c.Size, c.Root, c.Time.UTC().Format(time.RFC3339Nano), c.Head)
	if c.Absent > 0 {
		text += fmt.Sprintf("absent %d\n", c.Absent)
	}
	return text
}

// ParseCheckpoint reads what Text has written. It does not check a signature. signed may
// be a note: what follows the text is ignored.
func ParseCheckpoint(signed string) (Checkpoint, error) {
	text, _, isNote := strings.Cut(signed, "\n\n")
	if isNote {
		text += "\n"
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 6 && len(lines) != 7 {
		return Checkpoint{}, errors.New("a checkpoint has the lines origin, size, root, time and head, and perhaps absent")
	}
	size, sizeErr := strconv.ParseInt(lines[1], 10, 64)
	root, rootErr := tlog.ParseHash(lines[2])
	at, timeErr := time.Parse(time.RFC3339Nano, strings.TrimPrefix(lines[3], "time "))
	c := Checkpoint{Origin: lines[0], Size: size, Root: root, Time: at, Head: strings.TrimPrefix(lines[4], "head ")}
	_, headErr := Leaf(c.Head)
	if len(lines) == 7 {
		c.Absent, _ = strconv.ParseInt(strings.TrimPrefix(lines[5], "absent "), 10, 64) // compared below
	}
	if err := errors.Join(sizeErr, rootErr, timeErr, headErr); err != nil {
		return Checkpoint{}, fmt.Errorf("the checkpoint cannot be read: %w", err)
	}
	if size < 1 || c.Absent < 0 || c.Absent >= size || c.Text() != text {
		return Checkpoint{}, errors.New("the checkpoint is not written as an installation writes it")
	}
	return c, nil
}
