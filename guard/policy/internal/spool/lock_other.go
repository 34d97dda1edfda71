//go:build !unix || aix || solaris

package spool

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

// lockFolder makes the file and keeps it open. On Windows, a file that a process has open
// cannot be removed, and a file of an ended process can.
func lockFolder(file string) (*os.File, error) {
	if runtime.GOOS != "windows" {
		return nil, errors.New("package spool has no lock for " + runtime.GOOS)
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("another process uses it: %w", err)
	}
	return os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // in the folder that the operator names
}

func unlockFolder(f *os.File) error { return f.Close() }
