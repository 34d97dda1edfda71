package main

import (
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// createdKey is the result of policy keygen in JSON.
type createdKey struct {
	Private string `json:"private"` // the files
	Public  string `json:"public"`
}

// policyKeygen creates an Ed25519 key: the private one in a file that only its owner may
// read, and the public one in the file with the ending ".pub". It replaces no file.
func policyKeygen(_ context.Context, c *policyCommand) error {
	to := c.flags.String("to", "", "the new `file` for the private key; the public key gets the ending .pub")
	if err := c.parse(); err != nil {
		return err
	}
	if *to == "" {
		return errors.New("--to is required and must name the new file for the private key")
	}
	public := *to + ".pub"
	if _, err := os.Lstat(public); err == nil { //nolint:gosec // a path that the person who runs the command names
		return fmt.Errorf("the file %s exists already, and is not replaced", public)
	}
	key, err := createSigningKey("--to", *to)
	if err != nil {
		return err
	}
	if err := writePublicKey(public, key); err != nil {
		return err
	}
	if c.out.json {
		return c.out.print(createdKey{Private: *to, Public: public})
	}
	return c.printf("The private key is in %s: keep it where bundles are signed. The public key is in %s: aureus serve --policy-key and aureus policy verify --key take it.\n", *to, public)
}

func writePublicKey(file string, key ed25519.PrivateKey) error {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	out, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // the user's own path, and a public key
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(out, &pem.Block{Type: publicKeyBlock, Bytes: der}), out.Close())
}
