package bundles

import (
	"net/http"
	"strings"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/controlplane/internal/storage"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
	"github.com/farmountain/aureus-go/internal/wire"
)

var (
	errReplaced = web.Problem(http.StatusPreconditionFailed, wire.CodeConflict, "the bundle in force is not the one that If-Match names",
		web.WithRemediation("Read the bundle in force, merge the changes, and send it with its ETag."))
	errNotFirst = web.Problem(http.StatusPreconditionFailed, wire.CodeConflict, "a bundle is in force already, and If-None-Match: * says that there is none",
		web.WithRemediation("Read the bundle in force, merge the changes, and send it with its ETag in If-Match."))
)

// preconditionOf reads the headers If-Match, which is one ETag, and If-None-Match, which is
// an asterisk. The returned function gets the bundle in force, or a zero one, and fails if
// that is not the one that the headers expect.
func preconditionOf(r *http.Request) (func(last storage.Bundle) error, error) {
	match, noneMatch := r.Header.Get("If-Match"), r.Header.Get("If-None-Match")
	switch {
	case match != "" && noneMatch != "":
		return nil, web.Problem(http.StatusBadRequest, wire.CodeValidation, "the headers If-Match and If-None-Match must not be used together")
	case noneMatch == "*":
		return func(last storage.Bundle) error {
			if last.Version != 0 {
				return errNotFirst
			}
			return nil
		}, nil
	case noneMatch != "":
		return nil, web.Problem(http.StatusBadRequest, wire.CodeValidation, "the header If-None-Match must be *, which means that no bundle is in force")
	case match == "":
		return func(storage.Bundle) error { return nil }, nil
	}
	var digest aureus.Digest
	text, opened := strings.CutPrefix(match, `"`)
	text, closed := strings.CutSuffix(text, `"`)
	if !opened || !closed || digest.UnmarshalText([]byte(text)) != nil || digest.IsZero() {
		return nil, web.Problem(http.StatusBadRequest, wire.CodeValidation, `the header If-Match must be one ETag of a bundle, such as "sha256:…"`)
	}
	return func(last storage.Bundle) error {
		if last.Digest != digest {
			return errReplaced
		}
		return nil
	}, nil
}
