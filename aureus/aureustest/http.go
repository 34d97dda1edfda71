package aureustest

import (
	"bytes"
	"compress/gzip"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/strictjson"
	"github.com/farmountain/aureus-go/internal/wire"
)

const (
	prefix = "/api/v1"

	maxBody      = 4 << 20 // bytes of a request
	maxBatchBody = 64 << 20
)

// problem is an error with the status and code of its response.
type problem struct {
	status  int
	code    string
	message string
	header  [2]string
}

func (p *problem) Error() string { return p.message }

func refuse(status int, code, format string, args ...any) *problem {
	return &problem{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

func (p *problem) with(name, value string) *problem {
	p.header = [2]string{name, value}
	return p
}

// response is the whole response to a request.
type response struct {
	status int
	header http.Header
	body   []byte
}

func success(value any, header http.Header) response {
	text, err := strictjson.MarshalText(value)
	if err != nil {
		return errorResponse(refuse(http.StatusInternalServerError, wire.CodeInternal, "the response that the test set has no JSON form: %v", err), "")
	}
	return response{status: http.StatusOK, header: header, body: append(text, '\n')}
}

func responseFor(err error, r *http.Request) response {
	p, ok := errors.AsType[*problem](err)
	if !ok {
		p = refuse(http.StatusInternalServerError, wire.CodeInternal, "%v", err)
	}
	return errorResponse(p, requestID(r))
}

func errorResponse(p *problem, id string) response {
	a := response{status: p.status, header: http.Header{}}
	if p.header[0] != "" {
		a.header.Set(p.header[0], p.header[1])
	}
	text, err := strictjson.MarshalText(wire.ErrorBody{Error: p.message, Code: p.code, RequestID: id})
	if err != nil {
		text = []byte(`{"error":"the error has no JSON form","code":"` + wire.CodeInternal + `","request_id":""}`)
	}
	a.body = slices.Concat(text, []byte{'\n'})
	return a
}

// readBody reads the whole body, up to the limit of its path, and decompresses it.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	limit := int64(maxBody)
	if strings.HasSuffix(r.URL.Path, "/batch") {
		limit = maxBatchBody
	}
	var source io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch r.Header.Get("Content-Encoding") {
	case "":
	case "gzip":
		plain, err := gzip.NewReader(source)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, wire.CodeMalformed, "the body is not compressed as its Content-Encoding says")
		}
		source = io.LimitReader(plain, limit+1)
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, wire.CodeMediaType, "the content encoding of the body must be gzip").
			with("Accept-Encoding", "gzip")
	}
	body, err := io.ReadAll(source)
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge || int64(len(body)) > limit {
		return nil, refuse(http.StatusRequestEntityTooLarge, wire.CodeTooLarge, "the body is larger than %d bytes", limit)
	}
	if err != nil {
		return nil, refuse(http.StatusBadRequest, wire.CodeMalformed, "the body ended early")
	}
	return body, nil
}

// decode reads the body strictly: 400 for a body that is not JSON, 422 for JSON that does
// not fit the type of v.
func (q *request) decode(v any) error {
	if string(bytes.TrimSpace(q.body)) == "null" {
		return refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "the body must not be null")
	}
	err := strictjson.Unmarshal(q.body, v)
	if _, shape := errors.AsType[*strictjson.ShapeError](err); shape {
		return refuse(http.StatusUnprocessableEntity, wire.CodeValidation, "the body does not fit: %v", err)
	}
	if err != nil {
		return refuse(http.StatusBadRequest, wire.CodeMalformed, "%v", err)
	}
	return nil
}

// isOperator reports whether the request has the key of the person who decides.
func (s *Server) isOperator(r *http.Request) bool {
	return subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.operatorKey)) == 1
}

// keyID is the id of the request's key.
func (s *Server) keyID(r *http.Request) string {
	if s.isOperator(r) {
		return operatorKeyID
	}
	return serviceKeyID
}

// asker is the key of a request and its subject.
type asker struct{ keyID, subject string }

func (s *Server) asker(r *http.Request) asker {
	if s.isOperator(r) {
		return asker{operatorKeyID, operatorName}
	}
	return asker{serviceKeyID, serviceName}
}

// maySee reports whether the asker may see the approval: an operator may see every one.
func (a asker) maySee(e *entry) bool { return a.keyID == operatorKeyID || e.RequestedBy == a.subject }

const (
	serviceKeyID  = "key_service"
	serviceName   = "service"
	operatorKeyID = "key_operator"
	operatorName  = "operator"
)
