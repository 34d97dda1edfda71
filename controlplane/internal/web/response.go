package web

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

// WriteJSON writes a response with v as JSON. There is always a body, because the
// published Python client cannot read an empty response.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	text, err := strictjson.MarshalText(v)
	if err != nil { // v cannot be encoded as JSON: a defect of the server
		status, text = http.StatusInternalServerError, []byte(`{"error":"the response has no JSON form","code":"`+wire.CodeInternal+`","request_id":""}`)
	}
	WriteJSONText(w, status, text)
}

// WriteJSONText writes a response with the JSON text and a line end.
func WriteJSONText(w http.ResponseWriter, status int, text []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // it fails if the client has disconnected
}

// WriteList writes a response with a JSON array. next is the cursor of the next page; if
// it is not empty, the header Link contains the address of that page. The memory of the
// items and of their text is charged to the request first, because the client may read
// slowly.
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

// SetNext sets the header Link (RFC 8288) to the address of the next page. The address
// is only a query, relative to the address of the request, so it is also correct if a
// proxy adds a path prefix.
func SetNext(w http.ResponseWriter, r *http.Request, cursor string) {
	query := r.URL.Query()
	query.Set("cursor", cursor)
	link := url.URL{RawQuery: query.Encode()}
	w.Header().Set("Link", "<"+link.String()+`>; rel="next"`)
}

// statusWriter remembers the status of the response. [http.ResponseController] reaches
// the wrapped writer through Unwrap.
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
