package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// WriteJSON answers with v as JSON. A response always has a body: the published
// Python client cannot read an empty one.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	text, err := strictjson.MarshalText(v)
	if err != nil { // v has no JSON form, which is an error of the server
		status, text = http.StatusInternalServerError, []byte(`{"error":"the response has no JSON form","code":"`+wire.CodeInternal+`","request_id":""}`)
	}
	WriteJSONText(w, status, text)
}

// WriteJSONText answers with a JSON text and a line end.
func WriteJSONText(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // fails where the client is gone
}

// WriteList answers with a JSON array and, where next is not empty, the address of
// the next page in the Link header. The response may wait long for its reader: its
// text and the items are charged to the request first.
func WriteList[T any](w http.ResponseWriter, r *http.Request, items []T, next string) error {
	if items == nil {
		items = []T{}
	}
	text, err := strictjson.MarshalText(items)
	if err != nil {
		return err
	}
	if err := Account(r).Charge(2 * int64(len(text))); err != nil {
		return CapacityError(err)
	}
	if next != "" {
		SetNext(w, r, next)
	}
	WriteJSONText(w, http.StatusOK, text)
	return nil
}

// SetNext puts the address of the next page into the Link header (RFC 8288). It
// is relative to the request's own address, of which it replaces the query, so
// that it holds behind every path prefix.
func SetNext(w http.ResponseWriter, r *http.Request, cursor string) {
	query := r.URL.Query()
	query.Set("cursor", cursor)
	link := url.URL{RawQuery: query.Encode()}
	w.Header().Set("Link", "<"+link.String()+`>; rel="next"`)
}

// statusWriter remembers the status. [http.ResponseController] reaches the methods
// of the writer beneath through Unwrap.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 && status >= http.StatusOK {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
