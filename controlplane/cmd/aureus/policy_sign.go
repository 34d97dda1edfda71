package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard/policy"
)

// signatureEnding is the ending of the file with the signature of a bundle.
const signatureEnding = ".sig"

// signedFile is the result of policy sign and policy verify in JSON.
type signedFile struct {
	File      string        `json:"file"`
	Bundle    string        `json:"bundle"` // name/version
	Digest    aureus.Digest `json:"digest"` // of the file
	Signature string        `json:"signature"`
}

// policySign signs the exact bytes of a bundle that loads, its tests included.
func policySign(_ context.Context, c *policyCommand) error {
	keyFile := c.flags.String("key", "", "the `file` of the Ed25519 private key (PEM); aureus policy keygen creates one")
	if err := c.parse("FILE"); err != nil {
		return err
	}
	if *keyFile == "" {
		return errors.New("--key is required and must name the file of the private key; aureus policy keygen creates one")
	}
	key, err := readSigningKey(*keyFile, "aureus policy keygen creates one")
	if err != nil {
		return err
	}
	file := c.flags.Arg(0)
	bundle, err := policy.ReadFile(file)
	if err != nil {
		return err
	}
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(key, bundle.Text()))
	if err := replaceFile(file+signatureEnding, []byte(signature+"\n")); err != nil {
		return err
	}
	if c.out.json {
		return c.out.print(signedFile{File: file, Bundle: labelOf(bundle), Digest: bundle.Digest(), Signature: signature})
	}
	return c.printf("%s is signed: the signature is in %s.\n", labelOf(bundle), file+signatureEnding)
}

// policyVerify checks that one of the keys has signed a bundle, and that it loads.
func policyVerify(_ context.Context, c *policyCommand) error {
	keyFile := c.flags.String("key", "", "the `file` with the Ed25519 public keys (PEM) of which one must have signed the bundle")
	if err := c.parse("FILE"); err != nil {
		return err
	}
	if *keyFile == "" {
		return errors.New("--key is required and must name the file with the public keys")
	}
	keys, err := policyKeys("--key", *keyFile)
	if err != nil {
		return err
	}
	file := c.flags.Arg(0)
	bundle, err := policy.ReadFile(file, keys...)
	if err != nil {
		return err
	}
	signature, err := readSignature(file)
	if err != nil {
		return err
	}
	if c.out.json {
		return c.out.print(signedFile{File: file, Bundle: labelOf(bundle), Digest: bundle.Digest(), Signature: base64.StdEncoding.EncodeToString(signature)})
	}
	return c.printf("%s is signed by a key of %s, and loads.\n", labelOf(bundle), *keyFile)
}

func labelOf(b *policy.Bundle) string { return fmt.Sprintf("%s/%d", b.Name(), b.Version()) }

// readSignature reads the signature beside a bundle, as 64 bytes or their base64.
func readSignature(file string) ([]byte, error) {
	text, err := readBounded(file+signatureEnding, 1024)
	if err != nil {
		return nil, err
	}
	return decodeSignature(text)
}

// replaceFile writes a file whole or not at all.
func replaceFile(file string, text []byte) error {
	out, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }() //nolint:gosec // a path that the person who runs the command names; it is gone after the rename
	_, err = out.Write(text)
	err = errors.Join(err, out.Chmod(0o644), out.Close())
	if err != nil {
		return err
	}
	return os.Rename(out.Name(), file) //nolint:gosec // as above
}
