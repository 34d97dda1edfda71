package dbfile

import (
	"net/url"
	"path/filepath"
	"strings"
)

// Address returns the name under which the SQLite driver opens a file, with
// options for the connection. The path must be absolute, because the beginning
// of a relative path would be taken for the host of the URI. Special characters
// are escaped.
func Address(path string, options url.Values) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/…
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}).String()
}
