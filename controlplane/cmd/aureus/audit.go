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
	"time"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane"
)

const auditUsage = `Check the audit log in a database file, or move its beginning to a file, also
while a server has it open.

Usage:

  aureus audit verify [--entries N --head HASH] [--tenant T] [--db FILE]
  aureus audit archive --to FILE --key FILE [--create-key] [--before 2160h] [--tenant T] [--db FILE]

verify prints entries and head: keep them elsewhere, and give them the next time.
archive signs with the Ed25519 key in --key (PEM); --create-key makes one.
`

// auditLog is the command audit.
func auditLog(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags := flag.NewFlagSet("audit "+verb, flag.ContinueOnError)
	flags.SetOutput(stderr)
	environment := getenv
	getenv = func(name string) string { // the file alone
		if name != "AUREUS_DB" {
			return ""
		}
		return environment(name)
	}
	db := flags.String("db", "aureus.db", "the database `file`")
	tenant := flags.String("tenant", controlplane.DefaultTenant, "the tenant of the log")
	switch verb {
	case "verify":
		entries := flags.Int64("entries", 0, "the entries of an earlier verification, with its --head")
		head := flags.String("head", "", "the head of an earlier verification, with its --entries")
		if err := parse(flags, args, 0, getenv); err != nil {
			return err
		}
		earlier, err := earlierVerification(flags, *entries, *head)
		if err != nil {
			return err
		}
		if *tenant == "" {
			return errNoTenant
		}
		if err := isThere(*db, ""); err != nil {
			return err
		}
		return verifyLog(ctx, *db, *tenant, earlier, stdout)
	case "archive":
		to := flags.String("to", "", "the new `file` for the entries")
		keyFile := flags.String("key", "", "the `file` of the Ed25519 private key that signs, PEM")
		create := flags.Bool("create-key", false, "make the key if the file is not there")
		before := flags.Duration("before", controlplane.DefaultRetention, "how old an entry must be to be archived")
		if err := parse(flags, args, 0, getenv); err != nil {
			return err
		}
		if *to == "" || *keyFile == "" {
			return errors.New("--to and --key must each name a file")
		}
		switch {
		case *before < 0:
			return errors.New("--before is the age of an entry, and must not be negative; 0s archives all of them")
		case *tenant == "":
			return errNoTenant
		}
		if err := isThere(*db, ""); err != nil {
			return err
		}
		key, err := signingKey(*keyFile, *create)
		if err != nil {
			return err
		}
		a, err := controlplane.ArchiveAudit(ctx, *db, *tenant, *to, time.Now().Add(-*before), key)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(stdout, "%d entries are in %s and no longer in the database. Keep the file: entry %d has the hash %s.\n", a.Entries, *to, a.Last, a.Head)
		return err
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, auditUsage)
		return err
	}
	unknownVerb(stderr, "audit", verb, auditUsage)
	return errUsage
}

// earlierVerification is what the log is held against: nothing, or the one
// verification that --entries and --head describe. A half of one, or one of no
// entries, is an error, so that a script whose variable is empty does not check
// less than it says.
func earlierVerification(flags *flag.FlagSet, entries int64, head string) ([]aureus.AuditVerification, error) {
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case !given["entries"] && !given["head"]:
		return nil, nil
	case !given["entries"] || !given["head"]:
		return nil, errors.New("--entries and --head come together")
	case entries < 1:
		return nil, errors.New("--entries must be at least 1; leave out --entries and --head where the log was empty")
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
	if !v.Valid {
		return fmt.Errorf("the audit log is not valid: entry %d is changed, missing or added", v.FirstInvalid)
	}
	if v.Entries == 0 {
		_, err = fmt.Fprintf(stdout, "The audit log of the tenant %q is empty.\n", tenant)
		return err
	}
	if v.Archived > 0 {
		_, _ = fmt.Fprintf(stdout, "The first %d entries are archived, signed by the key %s.\n", v.Archived, v.ArchiveKey)
	}
	_, err = fmt.Fprintf(stdout, "The audit log is valid. Keep this elsewhere, for the next time:\n\n  --entries %d --head %s\n", v.Entries, v.Head)
	return err
}

const keyBlock = "PRIVATE KEY"

// signingKey reads the key, or makes it.
func signingKey(file string, create bool) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own path
	if errors.Is(err, fs.ErrNotExist) && create {
		return makeSigningKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("--key: %w; --create-key makes one", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != keyBlock {
		return nil, fmt.Errorf("--key: %s holds no PEM block %q", file, keyBlock)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("--key: %s holds no private key that can be read", file) // the cause may quote it
	}
	key, ok := parsed.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("--key: %s holds a key that is not Ed25519", file)
	}
	return key, nil
}

func makeSigningKey(file string) (ed25519.PrivateKey, error) {
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
		return nil, fmt.Errorf("--create-key: %w", err)
	}
	err = pem.Encode(out, &pem.Block{Type: keyBlock, Bytes: der})
	return key, errors.Join(err, out.Close())
}
