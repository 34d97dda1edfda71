//go:build unix && !aix && !solaris

package spool

import (
	"errors"
	"os"
	"syscall"
)

// lockFolder locks the file until unlockFolder, or until the process ends.
func lockFolder(file string) (*os.File, error) {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // in the folder that the operator names
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(errors.New("another process uses it"), err, f.Close())
	}
	return f, nil
}

func unlockFolder(f *os.File) error { return f.Close() }
