package evidence

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
	"github.com/farmountain/aureus-go/internal/vocab"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const tenant = "default"

// aLog is a store with a log.
type aLog struct {
	t  testing.TB
	db *sqlite.DB
}

func newLog(t testing.TB) aLog {
	t.Helper()
	db, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "a.db"), storage.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return aLog{t, db}
}

func (l aLog) update(fn func(storage.Tx) error) {
	l.t.Helper()
	require.NoError(l.t, l.db.Update(context.WithoutCancel(l.t.Context()), fn))
}

// add appends n entries, with details that are hard to write twice in the same way.
func (l aLog) add(n int, text string) {
	l.t.Helper()
	l.update(func(t storage.Tx) error {
		for i := range n {
			if err := t.Audit().Append(tenant, noon.Add(time.Duration(i)), aureus.AuditRecord{
				Kind: vocab.AuditGateResult, DecisionID: aureus.NewDecisionID(noon), Principal: "agent-7", By: "test", KeyID: "key",
				Details: map[string]any{"text": text + "\u2028<é>\"\\\n", "n": i, "list": []any{1.5, nil, true, map[string]any{"a": "b"}}},
			}); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l aLog) checkpoint() (c storage.Checkpoint) {
	l.t.Helper()
	for more := true; more; {
		l.update(func(t storage.Tx) (err error) {
			c, more, err = storage.ExtendTree(t, l.db.SigningKey(), tenant, noon)
			return err
		})
	}
	return c
}

func (l aLog) export(after int64, c storage.Checkpoint) []byte {
	l.t.Helper()
	var out bytes.Buffer
	_, err := Write(l.t.Context(), l.db, after, c, &out)
	require.NoError(l.t, err)
	return out.Bytes()
}

func verifyText(trust Trust, texts ...[]byte) (Report, error) {
	var files []io.ReadSeeker
	for _, text := range texts {
		files = append(files, bytes.NewReader(text))
	}
	return Verify(trust, files...)
}

func TestVerify_Export_ReportsTheLog(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(700, "a")
	first := log.checkpoint()
	log.add(3, "b")
	c := log.checkpoint()
	text := log.export(0, c)
	report, err := verifyText(Trust{Keys: []ed25519.PublicKey{log.db.SigningKey().Public()}, Checkpoints: []string{first.Note, c.Note}}, text)
	require.NoError(t, err)
	require.Equal(t, tenant, report.Tenant)
	require.Equal(t, int64(1), report.First)
	require.Equal(t, int64(703), report.Checkpoint.Size)
	require.Equal(t, []int64{700, 703}, report.Compared)
	require.Equal(t, []ed25519.PublicKey{log.db.SigningKey().Public()}, report.Signers.Keys)
	require.Equal(t, 704, bytes.Count(text, []byte("\n")))
}

// All bytes of the last line and of an entry are changed, and some of the others.
func TestVerify_AnyByteChanged_IsInvalid(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(8, "x")
	log.checkpoint()
	log.add(2, "y")
	text := log.export(0, log.checkpoint())
	_, err := verifyText(Trust{}, text)
	require.NoError(t, err)
	lines := bytes.SplitAfter(text, []byte("\n"))
	everyByteUntil := len(lines[0])
	everyByteFrom := bytes.LastIndex(text, sealStart)
	for i := range text {
		if i > everyByteUntil && i < everyByteFrom && i%17 != 0 {
			continue
		}
		for _, other := range []byte{text[i] ^ 1, " \n0}\xff"[i%5]} {
			if other == text[i] {
				continue
			}
			changed := bytes.Clone(text)
			changed[i] = other
			_, err := verifyText(Trust{}, changed)
			require.ErrorIs(t, err, ErrInvalid, "byte %d, %q for %q", i, other, text[i])
		}
	}
}

func TestVerify_LinesDeletedDoubledMovedOrInserted_IsInvalid(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(30, "x")
	text := log.export(0, log.checkpoint())
	lines := bytes.SplitAfter(bytes.TrimSuffix(text, []byte("\n")), []byte("\n"))
	lines[len(lines)-1] = append(lines[len(lines)-1], '\n')
	other := newLog(t)
	other.add(30, "x")
	foreign := bytes.SplitAfter(other.export(0, other.checkpoint()), []byte("\n"))
	check := func(what string, i int, changed [][]byte) {
		_, err := verifyText(Trust{}, bytes.Join(changed, nil))
		require.ErrorIs(t, err, ErrInvalid, "line %d %s", i+1, what)
	}
	for i := range lines {
		check("deleted", i, slices.Delete(slices.Clone(lines), i, i+1))
		check("doubled", i, slices.Insert(slices.Clone(lines), i, lines[i]))
		check("inserted", i, slices.Insert(slices.Clone(lines), i, foreign[i]))
		check("replaced", i, slices.Replace(slices.Clone(lines), i, i+1, foreign[i]))
		check("an empty line before", i, slices.Insert(slices.Clone(lines), i, []byte("\n")))
		if i > 0 {
			swapped := slices.Clone(lines)
			swapped[i-1], swapped[i] = swapped[i], swapped[i-1]
			check("swapped with the one before", i, swapped)
			check("and all after it deleted", i, lines[:i])
		}
	}
	for _, n := range []int{1, 100, len(text) - 1} {
		_, err := verifyText(Trust{}, text[:len(text)-n])
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := verifyText(Trust{}, nil)
	require.ErrorIs(t, err, ErrInvalid)
	_, err = verifyText(Trust{})
	require.ErrorIs(t, err, ErrInvalid)
}

// A log that is consistent in itself, signed by the real key, is found by a checkpoint
// that the auditor kept: a truncated one, and one that was written anew.
func TestVerify_OwnCheckpoint_FindsTruncationAndRewriting(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(40, "x")
	older := log.checkpoint()
	short := log.export(0, older)
	log.add(10, "x")
	kept := log.checkpoint()
	_, err := verifyText(Trust{Checkpoints: []string{older.Note, kept.Note}}, log.export(0, kept))
	require.NoError(t, err)

	_, err = verifyText(Trust{Checkpoints: []string{kept.Note}}, short)
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "entries were removed")

	rewritten := newLog(t)
	rewritten.add(60, "another history")
	c := rewritten.checkpoint()
	text := rewritten.export(0, c)
	_, err = verifyText(Trust{}, text)
	require.NoError(t, err, "it is consistent in itself")
	// As if the holder of the key had written it: the same log id, signed by the same key.
	signed := resign(t, log, c)
	text = bytes.Replace(text, textOf(t, rewritten, c), textOf(t, log, signed), 1)
	_, err = verifyText(Trust{Keys: []ed25519.PublicKey{log.db.SigningKey().Public()}}, text)
	require.NoError(t, err)
	_, err = verifyText(Trust{Checkpoints: []string{kept.Note}}, text)
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "written anew")
}

// resign signs a checkpoint of another log as that of this one.
func resign(t *testing.T, log aLog, c storage.Checkpoint) storage.Checkpoint {
	t.Helper()
	read, err := merkle.ParseCheckpoint(c.Note)
	require.NoError(t, err)
	log.update(func(tx storage.Tx) error {
		id, err := tx.Installation().LogID()
		if err != nil {
			return err
		}
		read.Origin = seal.Origin(id, tenant)
		c.Note, err = log.db.SigningKey().SignNote(read.Origin, read.Text())
		return err
	})
	return c
}

// textOf returns the checkpoint as the last line of an export has it.
func textOf(t *testing.T, log aLog, c storage.Checkpoint) (text []byte) {
	t.Helper()
	log.update(func(tx storage.Tx) error {
		checkpoint, err := CheckpointOf(tx.Installation(), c)
		if err != nil {
			return err
		}
		line, err := Seal{Checkpoint: checkpoint}.Line()
		_, text, _ = bytes.Cut(line, []byte(`"checkpoint":`))
		return err
	})
	return text
}

func TestVerify_WrongKeyOrLog_IsInvalid(t *testing.T) {
	t.Parallel()
	log, other := newLog(t), newLog(t)
	log.add(5, "x")
	other.add(5, "x")
	c, foreign := log.checkpoint(), other.checkpoint()
	text := log.export(0, c)
	for name, trust := range map[string]Trust{
		"the key of another installation":        {Keys: []ed25519.PublicKey{other.db.SigningKey().Public()}},
		"the checkpoint of another installation": {Checkpoints: []string{foreign.Note}},
		"no checkpoint at all":                   {Checkpoints: []string{""}},
		"a checkpoint with a changed byte":       {Checkpoints: []string{strings.Replace(c.Note, "time 2026", "time 2027", 1)}},
	} {
		_, err := verifyText(trust, text)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
	_, err := verifyText(Trust{Keys: []ed25519.PublicKey{other.db.SigningKey().Public(), log.db.SigningKey().Public()}}, text)
	require.NoError(t, err)
}

// A part of a log needs the hashes of the tree before it.
func TestVerify_ExportAfterTheFirstEntries_HasThePrefix(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(300, "x")
	old := log.checkpoint()
	log.add(11, "y")
	c := log.checkpoint()
	for _, after := range []int64{1, 255, 256, 257, 299, 310} {
		report, err := verifyText(Trust{}, log.export(after, c))
		require.NoError(t, err)
		require.Equal(t, after+1, report.First)
	}
	text := log.export(305, c)
	_, err := verifyText(Trust{Checkpoints: []string{old.Note}}, text)
	require.NotErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "name the archives")
	_, err = verifyText(Trust{Checkpoints: []string{old.Note}}, log.export(300, c))
	require.NoError(t, err, "it ends where the export begins")
	line := text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:]
	for i := range line {
		changed := bytes.Clone(text)
		changed[len(text)-len(line)+i] ^= 1
		_, err := verifyText(Trust{}, changed)
		require.ErrorIs(t, err, ErrInvalid, "byte %d of %s", i, line)
	}
	both, err := verifyText(Trust{Checkpoints: []string{old.Note}}, log.export(0, old), log.export(300, c))
	require.NoError(t, err, "one file after the other")
	require.Equal(t, int64(1), both.First)
	_, err = verifyText(Trust{}, log.export(300, c), log.export(0, old))
	require.ErrorIs(t, err, ErrInvalid)
}

// Anybody can sign the end of an archive, so that it must be where an archive has it.
func TestVerify_EndOfAnArchiveElsewhere_IsInvalid(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(3, "x")
	text := log.export(0, log.checkpoint())
	public, private, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	end := func(sequence int64, hash string) []byte {
		a := storage.Archive{Tenant: tenant, Sequence: sequence, Hash: hash, At: noon, PublicKey: public}
		a.Signature = ed25519.Sign(private, a.Message())
		line, err := ArchiveLine(a)
		require.NoError(t, err)
		return append(line, '\n')
	}
	whole, err := verifyText(Trust{}, text)
	require.NoError(t, err)
	last := end(3, whole.Checkpoint.Head)
	report, err := verifyText(Trust{}, text, last)
	require.ErrorIs(t, err, ErrInvalid, "a file of its own: %v", report)
	report, err = verifyText(Trust{}, slices.Concat(text, last))
	require.NoError(t, err)
	require.Equal(t, []ed25519.PublicKey{public}, report.ArchiveKeys)
	_, err = verifyText(Trust{}, slices.Concat(end(0, ""), text))
	require.ErrorIs(t, err, ErrInvalid, "before the first entry")
	log.add(1, "y")
	next := log.export(3, log.checkpoint())
	_, err = verifyText(Trust{}, slices.Concat(text, last), next)
	require.NoError(t, err)
	_, err = verifyText(Trust{}, slices.Concat(text, last, last), next)
	require.ErrorIs(t, err, ErrInvalid, "twice")
	_, err = verifyText(Trust{}, slices.Concat(text, last), slices.Concat(last, next))
	require.ErrorIs(t, err, ErrInvalid, "at the beginning of the next file")
}

func TestCheckProof_EntryOfTheLog_AndNothingElse(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(513, "x")
	c := log.checkpoint()
	proofOf := func(sequence int64) (p aureus.AuditProof) {
		require.NoError(t, log.db.View(t.Context(), func(tx storage.Tx) error {
			entries, err := tx.Audit().List(tenant, storage.AuditFilter{After: sequence - 1, Limit: 1})
			if err != nil {
				return err
			}
			p, err = Prove(tx, entries[0], c)
			return err
		}))
		return p
	}
	for _, sequence := range []int64{1, 2, 256, 257, 512, 513} {
		report, err := CheckProof(proofOf(sequence), Trust{Keys: []ed25519.PublicKey{log.db.SigningKey().Public()}, Checkpoints: []string{c.Note}})
		require.NoError(t, err)
		require.Equal(t, sequence, report.First)
		require.Equal(t, []int64{513}, report.Compared)
	}
	other := newLog(t)
	for name, change := range map[string]func(p *aureus.AuditProof){
		"another principal":    func(p *aureus.AuditProof) { p.Entry.Principal = "agent-8" },
		"another detail":       func(p *aureus.AuditProof) { p.Entry.Details["n"] = 7 },
		"another hash":         func(p *aureus.AuditProof) { p.Entry.Hash = p.Entry.PreviousHash },
		"another sequence":     func(p *aureus.AuditProof) { p.Entry.Sequence++ },
		"a hash less":          func(p *aureus.AuditProof) { p.Hashes = p.Hashes[1:] },
		"a hash more":          func(p *aureus.AuditProof) { p.Hashes = append(p.Hashes, p.Hashes[0]) },
		"no base64":            func(p *aureus.AuditProof) { p.Hashes[0] = "?" },
		"another size":         func(p *aureus.AuditProof) { p.Size-- },
		"a size of its own":    func(p *aureus.AuditProof) { p.Size--; p.Checkpoint.Size-- },
		"no keys":              func(p *aureus.AuditProof) { p.Checkpoint.Keys = nil },
		"no note":              func(p *aureus.AuditProof) { p.Checkpoint.Note = "" },
		"another's checkpoint": func(p *aureus.AuditProof) { other.add(513, "x"); p.Checkpoint.Note = other.checkpoint().Note },
	} {
		p := proofOf(300)
		change(&p)
		_, err := CheckProof(p, Trust{})
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestCheckGrowth_OlderCheckpoint_IsContinued(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(100, "x")
	old := log.checkpoint()
	log.add(200, "y")
	now := log.checkpoint()
	var p aureus.AuditConsistency
	require.NoError(t, log.db.View(t.Context(), func(tx storage.Tx) (err error) { p, err = ProveGrowth(tx, old.Size, now); return err }))
	report, err := CheckGrowth(p, old.Note, log.db.SigningKey().Public())
	require.NoError(t, err)
	require.Equal(t, []int64{100}, report.Compared)

	rewritten := newLog(t)
	rewritten.add(100, "another history")
	_, err = CheckGrowth(p, resign(t, log, rewritten.checkpoint()).Note)
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "written anew")
	for name, change := range map[string]func(p *aureus.AuditConsistency){
		"from":     func(p *aureus.AuditConsistency) { p.From++ },
		"to":       func(p *aureus.AuditConsistency) { p.To++ },
		"a hash":   func(p *aureus.AuditConsistency) { p.Hashes[0] = p.Hashes[1] },
		"no proof": func(p *aureus.AuditConsistency) { p.Hashes = nil },
	} {
		changed := p
		changed.Hashes = slices.Clone(p.Hashes)
		change(&changed)
		_, err := CheckGrowth(changed, old.Note)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

func TestReadSigners_Chain_MustBeWhole(t *testing.T) {
	t.Parallel()
	log := newLog(t)
	log.add(1, "x")
	c := log.checkpoint()
	checkpoint := aureus.AuditCheckpoint{}
	log.update(func(tx storage.Tx) (err error) { checkpoint, err = CheckpointOf(tx.Installation(), c); return err })
	for name, keys := range map[string][]string{
		"none":     nil,
		"twice":    {checkpoint.Keys[0], checkpoint.Keys[0]},
		"empty":    {""},
		"too many": slices.Repeat(checkpoint.Keys, maxKeys+1),
	} {
		_, err := ReadSigners(keys)
		require.ErrorIs(t, err, ErrInvalid, name)
	}
}

// BenchmarkVerify reports entries per second; one entry is one operation.
func BenchmarkVerify(b *testing.B) {
	log := newLog(b)
	log.add(10_000, "x")
	text := log.export(0, log.checkpoint())
	b.SetBytes(int64(len(text)) / 10_000)
	b.ResetTimer()
	for range b.N/10_000 + 1 {
		if _, err := verifyText(Trust{}, text); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((b.N/10_000+1)*10_000)/b.Elapsed().Seconds(), "entries/s")
}
