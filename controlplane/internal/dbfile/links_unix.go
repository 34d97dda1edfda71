//go:build unix

package dbfile

import (
	"io/fs"
	"syscall"
)

// links is how many names the file has, or 0 where that is not known.
func links(info fs.FileInfo) uint64 {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(stat.Nlink) //nolint:unconvert,nolintlint // its size differs between systems
	}
	return 0
}
