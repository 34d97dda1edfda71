package evidence

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
)

// maxTail is how many bytes at the end of a file may have the lines after the entries.
const maxTail = 1 << 20

// Trust is what an auditor knows from elsewhere.
type Trust struct {
	// Keys are public keys of which one must be among the signing keys. Without any, a
	// log that somebody made up and signed with a key of their own is found valid.
	Keys []ed25519.PublicKey
	// Checkpoints are signed checkpoints that the auditor kept: the log must continue
	// each of them.
	Checkpoints []string
}

// Report says what was found valid.
type Report struct {
	Tenant      string
	Signers     Signers
	First       int64 // the sequence of the first entry
	Checkpoint  merkle.Checkpoint
	Compared    []int64             // the sizes of the checkpoints of Trust
	ArchiveKeys []ed25519.PublicKey // that signed the ends of archives and are not signing keys
}

// Verify checks an export, or archives followed by an export, in the order of their
// entries. The files are read twice: their ends first. Any change of a byte, and any entry
// that was deleted, inserted or moved, is an error, which wraps [ErrInvalid]. Entries
// missing at the end together with the checkpoint, and a log that was written anew and
// signed again, are found only with a checkpoint of Trust.
func Verify(trust Trust, files ...io.ReadSeeker) (Report, error) {
	v := verifier{trust: trust, trusted: map[int64][]merkle.Checkpoint{}}
	last, err := v.ends(files)
	if err != nil {
		return Report{}, err
	}
	v.report.Tenant = last.Tenant
	if v.report.Signers, err = ReadSigners(last.Checkpoint.Keys, trust.Keys...); err != nil {
		return Report{}, err
	}
	if v.report.Checkpoint, err = v.report.Signers.Open(last.Checkpoint.Note, last.Tenant, true); err != nil {
		return Report{}, err
	}
	if err := v.openTrusted(); err != nil {
		return Report{}, err
	}
	for _, file := range files {
		if err := v.file(file); err != nil {
			return Report{}, err
		}
	}
	return v.report, v.end()
}

type verifier struct {
	trust   Trust
	report  Report
	trusted map[int64][]merkle.Checkpoint // the opened checkpoints of trust, by their size

	starts Seal // of the first file
	begins Seal // what the checkpoint of the file that is read must say about its beginning
	tree   merkle.Prefix
	head   string // the hash of the last entry; empty before the first one
	line   int    // in the file that is read
	sealed bool   // whether the last line was a checkpoint of all entries before it
	ended  bool   // whether the end of an archive was read after the last entry
}

// ends reads the last lines of the files: the line with the checkpoint of the last one,
// which must have one, and that of the first one, if it has one.
func (v *verifier) ends(files []io.ReadSeeker) (last Seal, err error) {
	for i, file := range files {
		found, ok, err := sealOf(file)
		if err != nil {
			return last, err
		}
		if i == 0 {
			v.starts = found
		}
		if i == len(files)-1 && !ok {
			return last, invalidf("the file does not end with a line that has a checkpoint: it was cut off, or was not written by aureus audit export")
		}
		last = found
	}
	if len(files) == 0 {
		return last, invalidf("there is no file")
	}
	return last, nil
}

// sealOf returns the line with the checkpoint at the end of a file.
func sealOf(file io.ReadSeeker) (s Seal, found bool, err error) {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return s, false, err
	}
	if _, err := file.Seek(max(size-maxTail, 0), io.SeekStart); err != nil {
		return s, false, err
	}
	tail, err := io.ReadAll(io.LimitReader(file, maxTail))
	if err != nil {
		return s, false, err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return s, false, err
	}
	lines := bytes.Split(bytes.TrimSuffix(tail, []byte("\n")), []byte("\n"))
	for i := len(lines) - 1; i >= max(len(lines)-2, 0); i-- {
		if bytes.HasPrefix(lines[i], sealStart) {
			s, err = readSeal(lines[i])
			return s, err == nil, err
		}
	}
	return s, false, nil
}

func (v *verifier) openTrusted() error {
	for _, note := range v.trust.Checkpoints {
		c, err := v.report.Signers.Open(note, v.report.Tenant, false)
		if err != nil {
			return fmt.Errorf("your checkpoint: %w", err)
		}
		if c.Size > v.report.Checkpoint.Size {
			return invalidf("your checkpoint has %d entries, and the log ends with entry %d: entries were removed, or the export is older than the checkpoint", c.Size, v.report.Checkpoint.Size)
		}
		v.trusted[c.Size] = append(v.trusted[c.Size], c)
	}
	return nil
}

// file checks the lines of a file.
func (v *verifier) file(file io.Reader) error {
	v.line, v.begins, v.sealed = 0, Seal{}, false
	for lines := newLineReader(file, v.report.Tenant); ; {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			v.line++
			err = v.checked(line)
		}
		if err != nil {
			return err
		}
	}
}

func (v *verifier) checked(line checkedLine) error {
	switch {
	case bytes.HasPrefix(line.text, sealStart):
		return v.seal(line.text)
	case line.text != nil:
		return v.archive(line.text)
	case line.err != nil:
		return invalidf("line %d: %w", v.line, line.err)
	}
	if v.report.First == 0 {
		if err := v.begin(line.sequence); err != nil {
			return err
		}
	}
	if v.begins.First == 0 {
		v.begins = Seal{First: line.sequence, Prefix: HashTexts(v.tree.Hashes())}
	}
	if line.sequence != v.tree.Size()+1 {
		return invalidf("line %d has entry %d, and entry %d is missing there", v.line, line.sequence, v.tree.Size()+1)
	}
	if v.head != "" && line.previous != v.head || line.sequence == 1 && line.previous != "" {
		return invalidf("entry %d does not continue the entry before it", line.sequence)
	}
	leaf := line.leaf
	if line.sequence <= v.report.Checkpoint.Absent {
		leaf = merkle.EmptyLeaf()
	}
	v.tree.Append(leaf)
	v.head, v.sealed, v.ended = line.hash, false, false
	return v.compare()
}

// begin starts the tree before the first entry.
func (v *verifier) begin(sequence int64) (err error) {
	v.report.First = sequence
	if sequence == 1 {
		return nil
	}
	if v.starts.First != sequence {
		return invalidf("the file begins with entry %d, not with entry %d", sequence, max(v.starts.First, 1))
	}
	if v.tree, err = v.starts.prefix(); err != nil {
		return invalidf("the tree before the first entry: %w", err)
	}
	for size := range v.trusted {
		if size < v.tree.Size() {
			return fmt.Errorf("your checkpoint has %d entries, and the file begins with entry %d: name the archives with the entries before it first", size, sequence)
		}
	}
	return v.compare()
}

// compare compares the tree with the auditor's checkpoints of the same size.
func (v *verifier) compare() error {
	for _, c := range v.trusted[v.tree.Size()] {
		if c.Root != v.tree.Root() {
			return invalidf("the log differs from your checkpoint of %d entries: it was written anew", c.Size)
		}
		v.report.Compared = append(v.report.Compared, c.Size)
	}
	return nil
}

// seal checks a line with a checkpoint.
func (v *verifier) seal(line []byte) error {
	s, err := readSeal(line)
	if err != nil {
		return err
	}
	signers, err := ReadSigners(s.Checkpoint.Keys)
	if err != nil {
		return err
	}
	if signers.LogID != v.report.Signers.LogID || !signers.Keys[0].Equal(v.report.Signers.Keys[0]) || len(signers.Keys) > len(v.report.Signers.Keys) {
		return invalidf("line %d is signed by another installation", v.line)
	}
	c, err := v.report.Signers.Open(s.Checkpoint.Note, v.report.Tenant, false)
	if err != nil {
		return err
	}
	switch {
	case s.Tenant != v.report.Tenant, s.Checkpoint.Size != c.Size, s.First != v.begins.First, !slices.Equal(s.Prefix, v.begins.Prefix):
		return invalidf("line %d has a checkpoint of another log", v.line)
	case v.sealed:
		return invalidf("line %d has a second checkpoint of the same entries", v.line)
	case c.Size != v.tree.Size():
		return invalidf("line %d has a checkpoint of %d entries after entry %d", v.line, c.Size, v.tree.Size())
	case c.Root != v.tree.Root(), c.Head != v.head:
		return invalidf("the entries are not those of the checkpoint of %d entries", c.Size)
	}
	v.sealed = true
	return nil
}

// archive checks the last line of an archive.
func (v *verifier) archive(line []byte) error {
	a, err := readArchive(line)
	if err != nil {
		return err
	}
	if a.Tenant != v.report.Tenant || a.Sequence != v.tree.Size() || a.Hash != v.head {
		return invalidf("line %d is the end of another archive", v.line)
	}
	if v.begins.First == 0 || v.ended {
		return invalidf("line %d is the end of an archive without entries", v.line)
	}
	v.ended = true
	for _, key := range append(v.report.Signers.Keys, v.report.ArchiveKeys...) {
		if key.Equal(a.PublicKey) {
			return nil
		}
	}
	v.report.ArchiveKeys = append(v.report.ArchiveKeys, a.PublicKey)
	return nil
}

// end checks that the last line had the checkpoint that was found there first.
func (v *verifier) end() error {
	if !v.sealed || v.tree.Size() != v.report.Checkpoint.Size {
		return invalidf("there are lines after the checkpoint")
	}
	return nil
}
