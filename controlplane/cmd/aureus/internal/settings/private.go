package settings

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
)

// maxFile limits the files of this package, in bytes.
const maxFile = 1 << 20

// readPrivate returns the content of a file that only its owner may read or write. The
// error is fs.ErrNotExist if there is no file.
func readPrivate(file string) (text []byte, err error) {
	// Opening a named pipe would wait for somebody who writes to it.
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", file)
	}
	f, err := os.Open(file) //nolint:gosec // the user's own file
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", file)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s may be read or written by other users (mode %04o): chmod 600 it, and replace the keys in it if somebody may have read them", file, info.Mode().Perm())
	case info.Size() > maxFile:
		return nil, fmt.Errorf("%s is larger than %d KiB", file, maxFile>>10)
	}
	return io.ReadAll(io.LimitReader(f, maxFile))
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
