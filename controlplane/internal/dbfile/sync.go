package dbfile

import (
	"errors"
	"os"
)

// SyncFolder returns after the entries of the folder, such as those of new files, are
// on the disk.
func SyncFolder(folder string) error {
	dir, err := os.Open(folder) //nolint:gosec // the operator's own path
	if err != nil {
		return err
	}
	err = dir.Sync()
	return errors.Join(err, dir.Close())
}
