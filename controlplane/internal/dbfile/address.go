package dbfile

import (
	"net/url"
	"path/filepath"
	"strings"
)

// Address is the driver's name of a file, with options for the connection. The
// path must be absolute: a URI would take the beginning of another one for a
// host. It is escaped, as it may hold characters that mean something in a URI.
func Address(path string, options url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}
