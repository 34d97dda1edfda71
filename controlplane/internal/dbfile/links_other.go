//go:build !unix

package dbfile

import "io/fs"

// links returns 0: the number is not available on this system.
func links(fs.FileInfo) uint64 { return 0 }
