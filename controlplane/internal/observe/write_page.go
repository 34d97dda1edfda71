package observe

import (
	"bufio"
	"log/slog"
	"net/http"
	"time"

	"github.com/farmountain/aureus-go/controlplane/internal/telemetry"
	"github.com/farmountain/aureus-go/controlplane/internal/web"
)

// writeTimeout is how long a client may take to read each write of a long response.
const writeTimeout = 30 * time.Second

// writePage writes the items of a page as a JSON array while they are read from the
// store. err is the error of the query; if it is not nil, writePage returns it. An error
// after the first byte closes the connection, so that the client never takes a part of
// the response for the whole.
func (s *Service) writePage(w http.ResponseWriter, r *http.Request, page *telemetry.Page, err error) error {
	if err != nil {
		return telemetryProblem(err)
	}
	w.Header().Set("Content-Type", "application/json")
	if page.Next != "" {
		web.SetNext(w, r, page.Next)
	}
	// Each write has its own deadline: the deadline of the http.Server would end a
	// long response however fast the client reads it.
	out := bufio.NewWriterSize(&deadlineWriter{w: w, control: http.NewResponseController(w)}, 32<<10)
	separator := "["
	for body, err := range page.Bodies(r.Context()) {
		if err == nil {
			_, _ = out.WriteString(separator) // a bufio.Writer returns its first error from every later call
			_, err = out.WriteString(body)
			separator = ","
		}
		if err != nil {
			web.Logger(r).WarnContext(r.Context(), "a list response ended early", slog.Any("error", err))
			panic(http.ErrAbortHandler)
		}
	}
	if separator == "[" {
		_, _ = out.WriteString(separator)
	}
	_, _ = out.WriteString("]\n")
	if err := out.Flush(); err != nil {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// deadlineWriter sets a new write deadline before each write.
type deadlineWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

func (d *deadlineWriter) Write(b []byte) (int, error) {
	_ = d.control.SetWriteDeadline(time.Now().Add(writeTimeout)) // some writers have no deadlines
	return d.w.Write(b)
}
