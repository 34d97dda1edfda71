//go:build unix

package dbfile

import (
	"io/fs"
	"syscall"
)

// links returns the number of names of the file, or 0 if it is unknown.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert,nolintlint // the type of Nlink differs between systems
	}
	return 0
}
