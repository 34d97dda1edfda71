package main

import (
	"crypto/ed25519"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
	"github.com/farmountain/aureus-go/controlplane/internal/seal"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

const (
	maxCheckpoints = 64 << 20 // bytes of a file with checkpoints
	maxProof       = 16 << 20 // bytes of a file with a proof
)

// offline has the flags of a verification that needs no database.
type offline struct {
	proof, checkpoint, key *string
}

func offlineFlags(flags *flag.FlagSet) offline {
	return offline{
		proof:      flags.String("proof", "", "the `file` with a proof that aureus audit proof has printed"),
		checkpoint: flags.String("checkpoint", "", "the `file` with checkpoints that you kept, which the log must continue"),
		key:        flags.String("key", "", "the `file` with the public keys (PEM) of which one must have signed, or announced the keys that have"),
	}
}

// wanted reports whether the arguments ask for a verification without a database.
func (o offline) wanted(flags *flag.FlagSet) bool {
	wanted := flags.NArg() > 0
	flags.Visit(func(f *flag.Flag) { wanted = wanted || f.Name == "proof" || f.Name == "checkpoint" || f.Name == "key" })
	return wanted
}

// run checks a proof, or the files of a log.
func (o offline) run(flags *flag.FlagSet, stdout io.Writer) (err error) {
	flags.Visit(func(f *flag.Flag) { // so that a script with an unset variable does not check less
		if f.Value.String() == "" {
			err = fmt.Errorf("--%s must name a file", f.Name)
		}
	})
	if err != nil {
		return err
	}
	files := flags.Args()
	if (len(files) > 0) == (*o.proof != "") {
		return errors.New("name either files with entries, archives first, or one file with --proof")
	}
	keys, err := policyKeys("--key", *o.key)
	if err != nil {
		return err
	}
	var kept []string
	if *o.checkpoint != "" {
		text, err := readBounded(*o.checkpoint, maxCheckpoints)
		if err != nil {
			return fmt.Errorf("--checkpoint: %w", err)
		}
		if kept = evidence.SplitNotes(string(text)); len(kept) == 0 {
			return fmt.Errorf("--checkpoint: %s has no checkpoint", *o.checkpoint)
		}
	}
	trust := evidence.Trust{Keys: keys, Checkpoints: kept}
	var report evidence.Report
	if *o.proof != "" {
		report, err = verifyProof(*o.proof, trust)
	} else {
		report, err = verifyFiles(files, trust)
	}
	if err != nil {
		return err
	}
	return o.print(report, keys, stdout)
}

func verifyProof(name string, trust evidence.Trust) (evidence.Report, error) {
	text, err := readBounded(name, maxProof)
	if err != nil {
		return evidence.Report{}, fmt.Errorf("--proof: %w", err)
	}
	var proof aureus.AuditProof
	if err := strictjson.Unmarshal(text, &proof); err != nil {
		return evidence.Report{}, fmt.Errorf("--proof: %s: %w", name, err)
	}
	return evidence.CheckProof(proof, trust)
}

func verifyFiles(names []string, trust evidence.Trust) (report evidence.Report, err error) {
	var opened []*os.File
	defer func() {
		for _, file := range opened {
			_ = file.Close() // it was only read
		}
	}()
	var files []io.ReadSeeker
	for _, name := range names {
		file, err := os.Open(name) //nolint:gosec // the operator's own path
		if err != nil {
			return report, err
		}
		opened, files = append(opened, file), append(files, file)
	}
	return evidence.Verify(trust, files...)
}

func (o offline) print(r evidence.Report, keys []ed25519.PublicKey, stdout io.Writer) error {
	what := fmt.Sprintf("Entries %d to %d of the tenant %q are complete and unchanged", r.First, r.Checkpoint.Size, r.Tenant)
	if *o.proof != "" {
		what = fmt.Sprintf("Entry %d of the tenant %q is in the log of %d entries", r.First, r.Tenant, r.Checkpoint.Size)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s. The checkpoint is of %s, with the root %s.\n", what, r.Checkpoint.Time.Format(time.RFC3339), r.Checkpoint.Root)
	if len(r.Compared) > 0 {
		fmt.Fprintf(&text, "The log continues %d of your checkpoints, the last one of %d entries.\n", len(r.Compared), r.Compared[len(r.Compared)-1])
	}
	for _, key := range r.ArchiveKeys {
		fmt.Fprintf(&text, "The end of an archive is signed by the key %s, which is none of the installation: compare it with yours.\n", seal.PublicText(key))
	}
	if len(keys) == 0 {
		fmt.Fprintf(&text, "It is signed by the key %s. Whoever wrote the file may have made that key: compare it, or name the key that you trust with --key.\n", seal.PublicText(r.Signers.Keys[len(r.Signers.Keys)-1]))
	}
	_, err := io.WriteString(stdout, text.String())
	return err
}
