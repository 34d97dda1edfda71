package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
)

const publicKeyBlock = "PUBLIC KEY"

// policyKeys reads the Ed25519 public keys of a file: PEM blocks of the type PUBLIC KEY,
// at least one. Without a file there are no keys.
func policyKeys(file string) (keys []ed25519.PublicKey, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("--policy-key: %w", err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		key, ok := parsed.(ed25519.PublicKey)
		if err != nil || block.Type != publicKeyBlock || !ok {
			return nil, fmt.Errorf("--policy-key: %s has a block that is not an Ed25519 key of type %q; openssl pkey -pubout writes one", file, publicKeyBlock)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("--policy-key: %s has no PEM block of type %q", file, publicKeyBlock)
	}
	return keys, nil
}
