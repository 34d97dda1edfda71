//go:build !race

// The library is large, and compiling it for the race detector takes minutes.

package openapicheck_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	failures "github.com/pb33f/libopenapi-validator/errors"
)

const (
	server   = "../../controlplane"
	document = server + "/internal/contract/openapi.json"
)

func newValidator(t *testing.T) validator.Validator { //nolint:ireturn // the library has no other type
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(parsed)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return v
}

func TestDocument_IsValidOpenAPI(t *testing.T) {
	if ok, errs := newValidator(t).ValidateDocument(); !ok {
		t.Error(texts(errs))
	}
}

// exchange is a request and its response, as the control plane's tests record them.
type exchange struct {
	Method, URL    string
	RequestHeader  http.Header
	RequestBody    []byte
	Status         int
	ResponseHeader http.Header
	ResponseBody   []byte
}

// The test of the control plane that calls every operation records its exchanges;
// each response, errors included, must be one that the document describes, and so
// must each request that succeeded.
func TestDocument_DescribesRequestsAndResponses(t *testing.T) {
	name := filepath.Join(t.TempDir(), "exchanges")
	command := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^TestOpenAPI_RealResponses_MatchTheDocument$", ".")
	command.Dir = server
	command.Env = append(os.Environ(), "AUREUS_EXCHANGES="+name, "GOWORK=", "GOFLAGS=")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	v := newValidator(t)
	checked, refused := 0, 0
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		check(t, v, e)
		checked++
		if e.Status >= http.StatusBadRequest {
			refused++
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if checked < 90 || refused < 40 {
		t.Errorf("only %d exchanges were recorded, %d of them errors", checked, refused)
	}
}

// check validates an exchange. The export of the audit log is left out: the library
// decodes JSON lines as one JSON value. The control plane's own test reads its lines.
func check(t *testing.T, v validator.Validator, e exchange) {
	t.Helper()
	if e.ResponseHeader.Get("Content-Type") == "application/x-ndjson" && e.Status == http.StatusOK {
		return
	}
	address, err := url.Parse(e.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.Scheme, address.Host = "http", "localhost:3000" // the server that the document names
	request, err := http.NewRequestWithContext(t.Context(), e.Method, address.String(), bytes.NewReader(e.RequestBody))
	if err != nil {
		t.Fatal(err)
	}
	request.Header = e.RequestHeader
	response := &http.Response{StatusCode: e.Status, Header: e.ResponseHeader, Body: io.NopCloser(bytes.NewReader(e.ResponseBody)), Request: request}
	response.Header.Del("Content-Encoding") // the body is recorded uncompressed
	if ok, errs := v.ValidateHttpResponse(request, response); !ok {
		t.Errorf("%s %s: response %d: %s\n%s", e.Method, e.URL, e.Status, texts(errs), e.ResponseBody)
	}
	if e.Status != http.StatusOK || bytes.Contains(e.ResponseBody, []byte(`"rejected":[{`)) {
		return
	}
	request.Body = io.NopCloser(bytes.NewReader(e.RequestBody))
	if ok, errs := v.ValidateHttpRequestSync(request); !ok {
		t.Errorf("%s %s: request: %s\n%s", e.Method, e.URL, texts(errs), e.RequestBody)
	}
}

func texts(errs []*failures.ValidationError) string {
	var b strings.Builder
	for _, e := range errs {
		b.WriteString(e.Message + ": " + e.Reason + "\n")
		for _, s := range e.SchemaValidationErrors {
			b.WriteString("  " + s.Reason + "\n")
		}
	}
	return b.String()
}
