package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"

	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/storage/sqlite"
)

const signingKeyUsage = `Show the public key that signs the audit log's checkpoints, or replace the key.

Usage:

  aureus signing-key show [--db FILE]
  aureus signing-key rotate [--db FILE]

show prints the public key in PEM, as aureus audit verify --key takes it, also while a
server has the database open. Hand it to auditors. rotate makes a new key: the old one and
the new one sign the announcement of the new one, so that whoever trusts the old one can
follow. Stop the server first. The old key stays in the key file, since it confirms what
was recorded before.
`

// signingKeys runs the command signing-key.
func signingKeys(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	verb := ""
	if len(args) > 0 {
		verb, args = args[0], args[1:]
	}
	flags, db, getenv := newFileFlags("signing-key "+verb, "the database `file`", getenv, stderr)
	var run func(context.Context, string, io.Writer) error
	switch verb {
	case "show":
		run = showSigningKey
	case "rotate":
		run = rotateSigningKey
	case "help", "-h", "--help", "-help":
		_, err := io.WriteString(stdout, signingKeyUsage)
		return err
	default:
		unknownVerb(stderr, "signing-key", verb, signingKeyUsage)
		return errUsage
	}
	if err := parse(flags, args, getenv); err != nil {
		return err
	}
	if err := requireDatabase(*db, ""); err != nil {
		return err
	}
	return run(ctx, *db, stdout)
}

func showSigningKey(ctx context.Context, db string, stdout io.Writer) error {
	return withStore(ctx, db, func(store storage.Store) error { return printPublicKey(stdout, store.SigningKey().Public()) })
}

func printPublicKey(stdout io.Writer, key ed25519.PublicKey) error {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return err
	}
	return pem.Encode(stdout, &pem.Block{Type: publicKeyBlock, Bytes: der})
}

func rotateSigningKey(ctx context.Context, db string, stdout io.Writer) (err error) {
	store, err := sqlite.Open(ctx, db, storage.Options{})
	if errors.Is(err, storage.ErrLocked) {
		return fmt.Errorf("stop the server first, because it signs with the key that it has read: %w", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	public, err := storage.RotateSigningKey(ctx, store, store.KeyFile(), storage.Actor{Subject: "aureus signing-key rotate"})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(stdout, "The signing key was replaced. Make a backup of the key file, which still has the old key, and hand the new public key to auditors:"); err != nil {
		return err
	}
	return printPublicKey(stdout, public)
}

// withStore opens the database, which a server may have open, calls fn and closes it.
func withStore(ctx context.Context, db string, fn func(storage.Store) error) (err error) {
	store, err := sqlite.OpenBeside(ctx, db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return fn(store)
}
