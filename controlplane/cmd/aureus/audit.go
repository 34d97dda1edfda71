package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/controlplane/internal/evidence"
)

const auditUsage = `Check the audit log in a database file, export it with a signed checkpoint, move its
oldest entries to a file, or delete recorded inputs of decisions, also while a server has
the database open. Check an export, and the proof of one decision, without a database.

Usage:

  aureus audit verify [--entries N --head HASH] [--tenant T] [--db FILE]
  aureus audit export --to FILE [--format jsonl|ocsf] [--tenant T] [--db FILE]
  aureus audit proof DECISION_ID [--tenant T] [--db FILE]
  aureus audit checkpoint [--tenant T] [--db FILE]
  aureus audit archive --to FILE [--key FILE] [--create-key] [--before 2160h] [--tenant T] [--db FILE]
  aureus audit purge-inputs --before AGE [--tenant T] [--db FILE]

  aureus audit verify FILE... [--checkpoint FILE] [--key PUBLIC]
  aureus audit verify --proof FILE [--checkpoint FILE] [--key PUBLIC]

verify without a FILE checks a database and prints --entries and --head: store them
elsewhere and pass them to the next verification. checkpoint prints a signed checkpoint,
proof the proof that a decision is in the log, in one line of JSON. export writes
JSON Lines, or events of OCSF ` + evidence.SchemaOCSF + ` (API Activity) for a SIEM.

verify FILE... needs no database: the files are an export, or archives and then an
export. With checkpoints that you kept it also finds entries that were removed at the
end, and a log that was written anew. With the public key of the installation, which
aureus signing-key show prints, it also finds a log that somebody else has signed.

archive signs with the installation key, or with the Ed25519 key in the file --key
(PEM); --create-key creates that key. purge-inputs deletes the recorded inputs of decisions that
are at least that old, before serve --input-retention does; 0s deletes all. The log stays
valid.
`

// auditLog runs the command audit.
func auditLog(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) (err error) {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags, db, getenv := newFileFlags("audit "+verb, "the database `file`", getenv, stderr)
	tenant := flags.String("tenant", controlplane.DefaultTenant, "the tenant of the log")
	switch verb {
	case "verify":
		entries := flags.Int64("entries", 0, "the number of entries that an earlier verification printed; needs --head")
		head := flags.String("head", "", "the hash that an earlier verification printed; needs --entries")
		without := offlineFlags(flags)
		if err := parse(flags, args, getenv, "[FILE...]"); err != nil {
			return err
		}
		if without.wanted(flags) {
			return without.run(flags, stdout)
		}
		earlier, err := earlierVerification(flags, *entries, *head)
		if err != nil {
			return err
		}
		if *tenant == "" {
			return errNoTenant
		}
		if err := requireDatabase(*db, ""); err != nil {
			return err
		}
		return verifyLog(ctx, *db, *tenant, earlier, stdout)
	case "export":
		return auditExport(ctx, &auditTask{flags: flags, args: args, getenv: getenv, db: db, tenant: tenant, stdout: stdout})
	case "checkpoint":
		return auditCheckpoint(ctx, &auditTask{flags: flags, args: args, getenv: getenv, db: db, tenant: tenant, stdout: stdout})
	case "proof":
		return auditProof(ctx, &auditTask{flags: flags, args: args, getenv: getenv, db: db, tenant: tenant, stdout: stdout})
	case "archive":
		to := flags.String("to", "", "the new `file` for the entries")
		keyFile := flags.String("key", "", "the `file` of the Ed25519 private key (PEM) that signs the archive; by default the installation key signs")
		create := flags.Bool("create-key", false, "create the key if the file does not exist")
		before := flags.Duration("before", controlplane.Defaults().Retention, "the minimum age of archived entries")
		if err := parse(flags, args, getenv); err != nil {
			return err
		}
		switch {
		case *to == "":
			return errors.New("--to is required and must name the new file")
		case *create && *keyFile == "":
			return errors.New("--create-key needs --key with the file for the key")
		case *before < 0:
			return errors.New("--before is the minimum age of archived entries and must not be negative; 0s archives all entries")
		case *tenant == "":
			return errNoTenant
		}
		if err := requireDatabase(*db, ""); err != nil {
			return err
		}
		var key ed25519.PrivateKey // nil for the installation key
		if *keyFile != "" {
			if key, err = signingKey(*keyFile, *create); err != nil {
				return err
			}
		}
		a, err := controlplane.ArchiveAudit(ctx, *db, *tenant, *to, time.Now().Add(-*before), key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%d entries were moved from the database to %s. Keep the file; the hash of entry %d is %s.\n", a.Entries, *to, a.Last, a.Head)
		return err
	case "purge-inputs":
		before := flags.Duration("before", -1, "the minimum `age` of deleted inputs; 0s deletes all")
		if err := parse(flags, args, getenv); err != nil {
			return err
		}
		switch {
		case *before < 0:
			return errors.New("--before is required: the minimum age of deleted inputs, such as 24h; 0s deletes all")
		case *tenant == "":
			return errNoTenant
		}
		if err := requireDatabase(*db, ""); err != nil {
			return err
		}
		n, err := controlplane.PurgeInputs(ctx, *db, *tenant, time.Now().Add(-*before))
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "The inputs of %d decisions were deleted.\n", n)
		return err
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, auditUsage)
		return err
	}
	unknownVerb(stderr, "audit", verb, auditUsage)
	return errUsage
}

// earlierVerification returns the verification that --entries and --head describe,
// or none if neither is given. It is an error if only one of them is given or one
// of them is empty, so that a script with an unset variable does not skip the check
// without notice.
func earlierVerification(flags *flag.FlagSet, entries int64, head string) ([]aureus.AuditVerification, error) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case !given["entries"] && !given["head"]:
		return nil, nil
	case !given["entries"] || !given["head"]:
		return nil, errors.New("--entries and --head must be used together")
	case entries < 1:
		return nil, errors.New("--entries must be at least 1; omit --entries and --head if the log was empty")
	case head == "":
		return nil, errors.New("--head must be the hash that an earlier verification printed")
	}
	return []aureus.AuditVerification{{Entries: entries, Head: head}}, nil
}

func verifyLog(ctx context.Context, db, tenant string, earlier []aureus.AuditVerification, stdout io.Writer) error {
	v, err := controlplane.VerifyAudit(ctx, db, tenant, earlier...)
	if err != nil {
		return err
	}
	if !v.Valid && v.FirstInvalid == 0 {
		return fmt.Errorf("the audit log is not valid: %s", strings.Join(v.Problems, "; "))
	}
	if !v.Valid {
		return fmt.Errorf("the audit log is not valid: entry %d was changed, removed or inserted", v.FirstInvalid)
	}
	if v.Entries == 0 {
		_, err = fmt.Fprintf(stdout, "The audit log of the tenant %q is empty.\n", tenant)
		return err
	}
	if v.Archived > 0 {
		_, _ = fmt.Fprintf(stdout, "The first %d entries are archived; the archive is signed by the key %s.\n", v.Archived, v.ArchiveKey)
	}
	_, err = fmt.Fprintf(stdout, "The audit log is valid. Store this elsewhere for the next verification:\n\n  --entries %d --head %s\n", v.Entries, v.Head)
	return err
}

const keyBlock = "PRIVATE KEY"

// signingKey reads the key, or creates it if create is set and the file does not
// exist.
func signingKey(file string, create bool) (ed25519.PrivateKey, error) {
	if create {
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) { //nolint:gosec // the operator's own path
			return createSigningKey("--create-key", file)
		}
	}
	return readSigningKey(file, "--create-key creates a key")
}

// readSigningKey reads a private key. hint says how to make one.
func readSigningKey(file, hint string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("--key: %w; %s", err, hint)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("--key: %s has no PEM block of type %q", file, keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("--key: the private key in %s is not valid", file) // the cause may contain the key
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("--key: the key in %s is not an Ed25519 key", file)
	}
	return key, nil
}

// createSigningKey creates a key in a new file that only its owner may read. flagName is
// the flag that names the file.
func createSigningKey(flagName, file string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flagName, err)
	}
	err = pem.Encode(out, &pem.Block{Type: keyBlock, Bytes: der})
	return key, errors.Join(err, out.Close())
}
