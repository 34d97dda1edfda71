package evidence

import (
	"crypto/ed25519"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/merkle"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
)

// CheckCheckpoint checks a checkpoint by itself: the succession of the keys and the
// signature.
func CheckCheckpoint(c aureus.AuditCheckpoint, trusted ...ed25519.PublicKey) (tenant string, s Signers, signed merkle.Checkpoint, err error) {
	if s, err = ReadSigners(c.Keys, trusted...); err != nil {
		return "", s, signed, err
	}
	origin, _, _ := strings.Cut(c.Note, "\n")
	tenant, ok := strings.CutPrefix(origin, seal.Origin(s.LogID, "")+"/")
	if !ok || tenant == "" {
		return "", s, signed, invalidf("the checkpoint is about %.200q, which is not a log of this installation", origin)
	}
	if signed, err = s.Open(c.Note, tenant, false); err != nil {
		return "", s, signed, err
	}
	if signed.Size != c.Size {
		return "", s, signed, invalidf("the checkpoint has %d entries, not %d", signed.Size, c.Size)
	}
	return tenant, s, signed, nil
}

// CheckProof checks that the entry of the proof is in the log that was signed.
func CheckProof(p aureus.AuditProof, trust Trust) (Report, error) {
	tenant, signers, c, err := CheckCheckpoint(p.Checkpoint, trust.Keys...)
	if err != nil {
		return Report{}, err
	}
	hash, err := storage.HashOf(tenant, &p.Entry)
	if err != nil || hash != p.Entry.Hash {
		return Report{}, invalidf("entry %d does not have the hash that it names", p.Entry.Sequence)
	}
	leaf, err := merkle.Leaf(hash)
	if err != nil {
		return Report{}, invalidf("%w", err)
	}
	hashes, err := parseHashes(p.Hashes)
	if err != nil {
		return Report{}, invalidf("the proof: %w", err)
	}
	if p.Size != c.Size || p.Entry.Sequence < 1 || p.Entry.Sequence > c.Size {
		return Report{}, invalidf("entry %d cannot be in the checkpoint of %d entries", p.Entry.Sequence, c.Size)
	}
	if err := tlog.CheckRecord(hashes, c.Size, c.Root, p.Entry.Sequence-1, leaf); err != nil {
		return Report{}, invalidf("the proof does not lead from entry %d to the root of the checkpoint", p.Entry.Sequence)
	}
	report := Report{Tenant: tenant, Signers: signers, First: p.Entry.Sequence, Checkpoint: c}
	for _, note := range trust.Checkpoints {
		own, err := signers.Open(note, tenant, false)
		if err != nil {
			return Report{}, err
		}
		if own.Size == c.Size && own.Root != c.Root {
			return Report{}, invalidf("the log differs from your checkpoint of %d entries: it was written anew", own.Size)
		}
		if own.Size == c.Size {
			report.Compared = append(report.Compared, own.Size)
		}
	}
	return report, nil
}

// CheckGrowth checks that the log that was signed continues the log of an older
// checkpoint, a signed note.
func CheckGrowth(p aureus.AuditConsistency, older string, trusted ...ed25519.PublicKey) (Report, error) {
	tenant, signers, c, err := CheckCheckpoint(p.Checkpoint, trusted...)
	if err != nil {
		return Report{}, err
	}
	own, err := signers.Open(older, tenant, false)
	if err != nil {
		return Report{}, err
	}
	hashes, err := parseHashes(p.Hashes)
	if err != nil {
		return Report{}, invalidf("the proof: %w", err)
	}
	if p.From != own.Size || p.To != c.Size || p.From > p.To {
		return Report{}, invalidf("the proof leads from %d to %d entries, and the checkpoints have %d and %d", p.From, p.To, own.Size, c.Size)
	}
	if err := tlog.CheckTree(hashes, c.Size, c.Root, own.Size, own.Root); err != nil {
		return Report{}, invalidf("the log does not continue your checkpoint of %d entries: it was written anew, or entries were removed", own.Size)
	}
	return Report{Tenant: tenant, Signers: signers, First: own.Size, Checkpoint: c, Compared: []int64{own.Size}}, nil
}
