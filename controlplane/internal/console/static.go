package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// staticRoutes returns a route for each file in the folder static. The files are part of
// the program and hold nothing of a tenant, so they are public, and browsers may keep them
// and ask whether they have changed.
func staticRoutes() (routes []web.Route) {
	entries, err := files.ReadDir("static")
	if err != nil {
		panic(err) // the folder is not embedded
	}
	for _, entry := range entries {
		routes = append(routes, web.Route{Pattern: "GET " + Root + "static/" + entry.Name(), Public: true, Handler: staticFile(entry.Name())})
	}
	return routes
}

func staticFile(name string) web.Handler {
	text, err := files.ReadFile("static/" + name)
	if err != nil {
		panic(err) // the file is not embedded
	}
	kind, sum := mime.TypeByExtension(path.Ext(name)), sha256.Sum256(text)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	return func(w http.ResponseWriter, r *http.Request, _ web.Caller) error {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache") // to be kept, and asked for again before each use
		h.Set("ETag", etag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
		return nil
	}
}
