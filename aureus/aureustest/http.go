package aureustest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/farmountain/aureus-go/internal/approval"
	"github.com/farmountain/aureus-go/internal/namefold"
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

// asker is the key of a request: its id, its subject, and its role if it may decide
// approvals.
type asker struct{ keyID, subject, role string }

// asker is the key of the request: that of a person, or else that of the service.
func (s *Server) asker(r *http.Request) asker {
	if person, ok := s.person(r.Header.Get("Authorization")); ok {
		return person
	}
	return asker{keyID: serviceKeyID, subject: serviceName}
}

// person is the person whose key the header has.
func (s *Server) person(authorization string) (asker, bool) {
	s.life.Lock()
	defer s.life.Unlock()
	person, ok := s.people[strings.TrimPrefix(authorization, "Bearer ")]
	return person, ok
}

// keyID is the id of the request's key.
func (s *Server) keyID(r *http.Request) string { return s.asker(r).keyID }

// decides reports whether the asker may decide approvals.
func (a asker) decides() bool { return a.role != "" }

// is reports whether the name may be that of the asker or of its key.
func (a asker) is(name string) bool {
	return name != "" && (namefold.Same(name, a.subject) || namefold.Same(name, a.keyID))
}

// voter is the asker for the rules of internal/approval.
func (a asker) voter() approval.Voter {
	return approval.Voter{KeyID: a.keyID, Name: namefold.Fold(a.subject), Role: a.role}
}

// maySee reports whether the asker may see the approval: who decides approvals may see
// every one.
func (a asker) maySee(e *entry) bool { return a.decides() || e.RequestedBy == a.subject }

// operator is the person of [Server.Operator], [Server.Approve] and [Server.Reject].
var operator = asker{keyID: "key_operator", subject: "operator", role: "operator"}

const (
	serviceKeyID = "key_service"
	serviceName  = "service"
)
