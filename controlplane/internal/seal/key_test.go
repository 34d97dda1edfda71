package seal

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func newRing(t *testing.T) (*Ring, string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "aureus.key")
	ring, err := Create(file)
	require.NoError(t, err)
	return ring, file
}

func newestOf(t *testing.T, ring *Ring) *Key {
	t.Helper()
	key, err := ring.Use(ring.Newest())
	require.NoError(t, err)
	return key
}

func TestCreate_NewFile_IsPrivateAndLoadsAgain(t *testing.T) {
	t.Parallel()
	ring, file := newRing(t)
	info, err := os.Stat(file)
	require.NoError(t, err)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), info.Mode())
	}
	loaded, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, ring, loaded)
	again, err := Create(file)
	require.NoError(t, err)
	require.Equal(t, ring.Newest(), again.Newest(), "an existing key is never replaced")
	entries, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, entries, 1, "no temporary file is left")
}

func TestLoad_FileThatIsNoPrivateKeyFile_IsRefusedWithoutItsContent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has neither modes nor links for everybody: run this on a Unix")
	}
	_, good := newRing(t)
	text, err := os.ReadFile(good)
	require.NoError(t, err)
	folder := t.TempDir()
	write := func(name string, content []byte, mode fs.FileMode) string {
		file := filepath.Join(folder, name)
		require.NoError(t, os.WriteFile(file, content, 0o600))
		require.NoError(t, os.Chmod(file, mode))
		return file
	}
	linked := filepath.Join(folder, "linked")
	require.NoError(t, os.Symlink(good, linked))
	for name, row := range map[string]struct{ file, says string }{
		"read by the group": {write("group", text, 0o640), "mode 0640"},
		"read by all":       {write("all", text, 0o604), "chmod 600"},
		"written by all":    {write("written", text, 0o602), "mode 0602"},
		"a symbolic link":   {linked, "symbolic link"},
		"a folder":          {folder, "not an ordinary file"},
		"empty":             {write("empty", nil, 0o600), "0 PEM blocks"},
		"no PEM":            {write("raw", []byte(strings.Repeat("secret", 6)), 0o600), "0 PEM blocks"},
		"cut off":           {write("cut", text[:len(text)-40], 0o600), "0 PEM blocks"},
		"not a key":         {write("other", []byte("-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"), 0o600), "not an Ed25519 key"},
		"too large":         {write("large", make([]byte, maxFileSize+1), 0o600), "more than"},
		"too many keys":     {write("many", []byte(strings.Repeat(string(text), maxKeys+1)), 0o600), "65 PEM blocks"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(row.file)
			require.ErrorIs(t, err, ErrFile)
			require.ErrorContains(t, err, row.says)
			require.NotContains(t, err.Error(), "secret")
			require.NotContains(t, err.Error(), "c2VjcmV0")
		})
	}
	_, err = Load(filepath.Join(folder, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestUse_KeyThatTheFileLacks_IsErrOtherKey(t *testing.T) {
	t.Parallel()
	ring, _ := newRing(t)
	other, _ := newRing(t)
	_, err := ring.Use(other.Newest())
	require.ErrorIs(t, err, ErrOtherKey)
	require.ErrorContains(t, err, PublicText(other.Newest()))
	_, err = ring.Renew(other.Newest())
	require.ErrorIs(t, err, ErrOtherKey)
}

func TestRenew_Repeated_KeepsUsedKeysOnly(t *testing.T) {
	t.Parallel()
	ring, file := newRing(t)
	first := newestOf(t, ring)
	code := first.MAC("audit", "a", "b")
	unused, err := ring.Renew(first.Public())
	require.NoError(t, err)
	second, err := ring.Renew(first.Public()) // the replacement with the unused key was interrupted
	require.NoError(t, err)
	loaded, err := Load(file)
	require.NoError(t, err)
	require.Equal(t, second, loaded.Newest())
	_, err = loaded.Use(unused)
	require.ErrorIs(t, err, ErrOtherKey)
	key := newestOf(t, loaded)
	require.NotEqual(t, code, key.MAC("audit", "a", "b"))
	require.True(t, key.CheckMAC(code, "audit", "a", "b"), "a code of the replaced key")
	require.True(t, key.CheckMAC(key.MAC("audit", "a"), "audit", "a"))
	old, err := loaded.Use(first.Public())
	require.NoError(t, err)
	require.False(t, old.CheckMAC(key.MAC("audit", "a"), "audit", "a"), "a code of a later key")
	for range maxKeys - 2 {
		_, err = loaded.Renew(loaded.Newest())
		require.NoError(t, err)
	}
	_, err = loaded.Renew(loaded.Newest())
	require.ErrorIs(t, err, ErrFile)
	require.ErrorContains(t, err, "64 keys")
}

// The code is that of RFC 2104 and RFC 5869, so that other programs compute the same.
func TestMAC_KnownKey_IsTheDocumentedValue(t *testing.T) {
	t.Parallel()
	seed := make([]byte, ed25519.SeedSize)
	key := &Key{current: ed25519.NewKeyFromSeed(seed)}
	extract := hmac.New(sha256.New, make([]byte, sha256.Size))
	extract.Write(seed)
	expand := hmac.New(sha256.New, extract.Sum(nil))
	expand.Write([]byte("aureus.mac.v1 audit\x01"))
	code := hmac.New(sha256.New, expand.Sum(nil))
	code.Write([]byte("\x00\x00\x00\x00\x00\x00\x00\x02ab\x00\x00\x00\x00\x00\x00\x00\x00"))
	require.Equal(t, code.Sum(nil), key.MAC("audit", "ab", ""))
}

func TestCheckMAC_OtherPurposeOrParts_IsFalse(t *testing.T) {
	t.Parallel()
	ring, _ := newRing(t)
	key := newestOf(t, ring)
	code := key.MAC("audit", "ab", "c")
	require.True(t, key.CheckMAC(code, "audit", "ab", "c"))
	for name, wrong := range map[string]bool{
		"purpose":     key.CheckMAC(code, "webhook", "ab", "c"),
		"other parts": key.CheckMAC(code, "audit", "a", "bc"),
		"fewer parts": key.CheckMAC(code, "audit", "abc"),
		"no code":     key.CheckMAC(nil, "audit", "ab", "c"),
		"half a code": key.CheckMAC(code[:16], "audit", "ab", "c"),
	} {
		require.False(t, wrong, name)
	}
}

func TestKey_Printed_ShowsOnlyThePublicKey(t *testing.T) {
	t.Parallel()
	ring, file := newRing(t)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	private, _ := parsed.(ed25519.PrivateKey)
	key := newestOf(t, ring)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		printed := fmt.Sprintf(format, key)
		require.Equal(t, "installation key "+PublicText(key.Public()), printed)
		require.NotContains(t, printed, base64.StdEncoding.EncodeToString(private.Seed()))
	}
}

func TestReadAnnouncement_ChainOfKeys_NeedsBothSignatures(t *testing.T) {
	t.Parallel()
	ring, _ := newRing(t)
	first := newestOf(t, ring)
	_, err := ring.Renew(first.Public())
	require.NoError(t, err)
	second := newestOf(t, ring)
	since := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	one := Announcement{LogID: "abc", Number: 1, Key: first.Public(), Since: since}
	two := Announcement{LogID: "abc", Number: 2, Key: second.Public(), Since: since.Add(time.Hour)}

	signed, err := first.Announce(one, nil)
	require.NoError(t, err)
	read, err := ReadAnnouncement(signed, nil)
	require.NoError(t, err)
	require.Equal(t, one, read)

	chained, err := second.Announce(two, first)
	require.NoError(t, err)
	read, err = ReadAnnouncement(chained, first.Public())
	require.NoError(t, err)
	require.Equal(t, two, read)

	alone, err := second.Announce(two, nil)
	require.NoError(t, err)
	_, err = ReadAnnouncement(alone, first.Public())
	require.ErrorContains(t, err, "it is not signed by the key "+PublicText(first.Public()))
	forged, err := first.Announce(two, first) // without the key that it announces
	require.NoError(t, err)
	_, err = ReadAnnouncement(forged, first.Public())
	require.ErrorContains(t, err, "it is not signed by the key "+PublicText(second.Public()))
	for i := range len(chained) {
		changed := []byte(chained)
		changed[i] ^= 1
		_, err := ReadAnnouncement(string(changed), first.Public())
		require.Error(t, err, "byte %d of\n%s", i, chained)
	}
}
