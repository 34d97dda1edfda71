package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPolicyKeys_EachFile_IsReadOrRefused(t *testing.T) {
	t.Parallel()
	var keys []ed25519.PublicKey
	var blocks []byte
	for range 2 {
		public, _, err := ed25519.GenerateKey(nil)
		require.NoError(t, err)
		der, err := x509.MarshalPKIXPublicKey(public)
		require.NoError(t, err)
		keys, blocks = append(keys, public), append(blocks, pem.EncodeToMemory(&pem.Block{Type: publicKeyBlock, Bytes: der})...)
	}
	read := func(text []byte) ([]ed25519.PublicKey, error) {
		file := filepath.Join(t.TempDir(), "keys.pem")
		require.NoError(t, os.WriteFile(file, text, 0o600))
		return policyKeys("--policy-key", file)
	}
	got, err := read(blocks)
	require.NoError(t, err)
	require.Equal(t, keys, got)
	got, err = policyKeys("--policy-key", "")
	require.NoError(t, err)
	require.Empty(t, got)
	for name, text := range map[string][]byte{
		"empty": nil, "text": []byte("key"), "another block": append(blocks, pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: []byte{1}})...),
	} {
		_, err := read(text)
		require.ErrorContains(t, err, "--policy-key", name)
	}
	_, err = policyKeys("--policy-key", filepath.Join(t.TempDir(), "missing"))
	require.ErrorContains(t, err, "--policy-key")
}
