package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/farmountain/aureus-go/controlplane/internal/dbfile"
)

const (
	block       = "PRIVATE KEY" // the type of a PEM block: PKCS #8
	maxKeys     = 64            // keys in one file
	maxFileSize = 64 << 10      // bytes
)

// The errors of this package, for errors.Is. A missing file is fs.ErrNotExist.
var (
	// ErrFile means that a file is not accepted as a key file.
	ErrFile = errors.New("the signing key cannot be used")
	// ErrOtherKey means that a key file has other keys than the one that is needed.
	ErrOtherKey = errors.New("the signing key is another one")
)

// Ring is the content of a key file: the newest key first, then the ones that it
// replaced.
type Ring struct {
	file string
	keys []ed25519.PrivateKey
}

// Load reads a key file: PEM blocks of the type PRIVATE KEY, each an Ed25519 key in
// PKCS #8, the newest first, at most 64. The file must be an ordinary file, not a
// symbolic link, which its owner alone may read and write (on Windows the mode is not
// checked). No error contains anything from the file.
func Load(file string) (*Ring, error) {
	text, err := read(file)
	if err != nil {
		return nil, err
	}
	ring := &Ring{file: file}
	for next, rest := pem.Decode(text); next != nil; next, rest = pem.Decode(rest) {
		parsed, err := x509.ParsePKCS8PrivateKey(next.Bytes)
		key, ok := parsed.(ed25519.PrivateKey)
		if err != nil || next.Type != block || !ok {
			return nil, fmt.Errorf("%w: %s has a block that is not an Ed25519 key of the type %q; put the file back from its copy", ErrFile, file, block)
		}
		ring.keys = append(ring.keys, key)
	}
	if n := len(ring.keys); n == 0 || n > maxKeys {
		return nil, fmt.Errorf("%w: %s has %d PEM blocks of the type %q, not 1 to %d; put the file back from its copy", ErrFile, file, n, block, maxKeys)
	}
	return ring, nil
}

func read(file string) (text []byte, err error) {
	info, err := os.Lstat(file)
	switch {
	case err != nil:
		return nil, err
	case info.Mode()&fs.ModeSymlink != 0:
		return nil, fmt.Errorf("%w: %s is a symbolic link; name the file itself", ErrFile, file)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%w: %s is not an ordinary file", ErrFile, file)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%w: %s may be read or written by other users (mode %04o); chmod 600 it, and replace the key if somebody may have read it", ErrFile, file, info.Mode().Perm())
	case info.Size() > maxFileSize:
		return nil, fmt.Errorf("%w: %s has %d bytes, more than the %d of a key file", ErrFile, file, info.Size(), maxFileSize)
	}
	in, err := os.Open(file) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if opened, err := in.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, fmt.Errorf("%w: %s was replaced while it was read; try again", ErrFile, file)
	}
	return io.ReadAll(io.LimitReader(in, maxFileSize))
}

// Create writes a new key to a new file, which its owner alone may read, and returns
// after it is on the disk. If the file exists by then, Create loads it.
func Create(file string) (*Ring, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	ring := &Ring{file: file, keys: []ed25519.PrivateKey{key}}
	err = ring.CopyTo(file)
	if errors.Is(err, fs.ErrExist) {
		return Load(file)
	}
	if err != nil {
		return nil, fmt.Errorf("creating the signing key %s: %w", file, err)
	}
	return ring, nil
}

// CopyTo writes the keys to a new file, which its owner alone may read, and returns
// after it is on the disk. If the file exists, the error is fs.ErrExist. The file never
// has a part of the keys only, whenever the process ends.
func (r *Ring) CopyTo(file string) error {
	copied := &Ring{file: file, keys: r.keys}
	err := copied.write(func(temporary string) error { return os.Link(temporary, file) })
	if err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	if _, exists := os.Lstat(file); !errors.Is(exists, fs.ErrNotExist) {
		return err
	}
	return copied.replace() // some file systems have no links
}

// Renew puts a new key before the others, in the file too, and returns its public key.
// It returns after the file is on the disk. used is the key in use now: keys newer than
// it are dropped, because an interrupted replacement left them and nothing is signed
// with them. It returns ErrOtherKey if the file does not have used.
func (r *Ring) Renew(used ed25519.PublicKey) (ed25519.PublicKey, error) {
	at := r.index(used)
	if at < 0 {
		return nil, r.otherKey(used)
	}
	kept := r.keys[at:]
	if len(kept) == maxKeys {
		return nil, fmt.Errorf("%w: %s has %d keys already, and one file has no more", ErrFile, r.file, maxKeys)
	}
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	next := &Ring{file: r.file, keys: append([]ed25519.PrivateKey{key}, kept...)}
	if err := next.replace(); err != nil {
		return nil, fmt.Errorf("writing the new signing key to %s: %w", r.file, err)
	}
	r.keys = next.keys
	return public, nil
}

// Newest returns the public key of the first key of the file.
func (r *Ring) Newest() ed25519.PublicKey { return publicOf(r.keys[0]) }

// Use returns the key with that public key. It returns ErrOtherKey if the file does not
// have it.
func (r *Ring) Use(public ed25519.PublicKey) (*Key, error) {
	at := r.index(public)
	if at < 0 {
		return nil, r.otherKey(public)
	}
	return &Key{current: r.keys[at], retired: r.keys[at+1:]}, nil
}

func (r *Ring) index(public ed25519.PublicKey) int {
	for i, key := range r.keys {
		if publicOf(key).Equal(public) {
			return i
		}
	}
	return -1
}

func (r *Ring) otherKey(public ed25519.PublicKey) error {
	return fmt.Errorf("%w: %s does not have the key with the public key %s; put back the key file that belongs to this database", ErrOtherKey, r.file, PublicText(public))
}

func (r *Ring) replace() error {
	return r.write(func(temporary string) error { return os.Rename(temporary, r.file) })
}

// write writes the keys to a temporary file in the folder, gives it its name with place,
// and synchronizes both.
func (r *Ring) write(place func(temporary string) error) (err error) {
	out, err := os.CreateTemp(filepath.Dir(r.file), filepath.Base(r.file)+".new-*") // with mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(out.Name()) }() // after a rename it is gone
	for _, key := range r.keys {
		der, marshalErr := x509.MarshalPKCS8PrivateKey(key)
		err = errors.Join(err, marshalErr, pem.Encode(out, &pem.Block{Type: block, Bytes: der}))
	}
	err = errors.Join(err, out.Sync(), out.Close())
	if err != nil {
		return err
	}
	if err := place(out.Name()); err != nil {
		return err
	}
	return dbfile.SyncFolder(filepath.Dir(r.file))
}
