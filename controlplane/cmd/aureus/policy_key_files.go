package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"strings"
)

const publicKeyBlock = "PUBLIC KEY"

// policyKeys reads the Ed25519 public keys of a file that a flag names: PEM blocks of the
// type PUBLIC KEY, at least one. Without a file there are no keys.
func policyKeys(flagName, file string) (keys []ed25519.PublicKey, err error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("%s: %w", flagName, err)
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
		key, ok := parsed.(ed25519.PublicKey)
		if err != nil || block.Type != publicKeyBlock || !ok {
			return nil, fmt.Errorf("%s: %s has a block that is not an Ed25519 key of type %q; openssl pkey -pubout writes one", flagName, file, publicKeyBlock)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%s: %s has no PEM block of type %q", flagName, file, publicKeyBlock)
	}
	return keys, nil
}

// decodeSignature returns an Ed25519 signature that is given as its 64 bytes or as their
// base64.
func decodeSignature(text []byte) ([]byte, error) {
	if len(text) == ed25519.SignatureSize {
		return text, nil
	}
	signature, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(signature) != ed25519.SignatureSize {
		return nil, errors.New("the signature must be 64 bytes, or their base64")
	}
	return signature, nil
}
