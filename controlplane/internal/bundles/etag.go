package bundles

import (
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
)

func etag(digest aureus.Digest) string { return `"` + digest.String() + `"` }

// notModified sets the ETag, and answers a request with 304 if its If-None-Match names
// it.
func notModified(w http.ResponseWriter, r *http.Request, digest aureus.Digest) bool {
	current := etag(digest)
	w.Header().Set("ETag", current)
	for candidate := range strings.SplitSeq(r.Header.Get("If-None-Match"), ",") {
		if candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/"); candidate == current || candidate == "*" {
			w.WriteHeader(http.StatusNotModified)
			return true
		}
	}
	return false
}
