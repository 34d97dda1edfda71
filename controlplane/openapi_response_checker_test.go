package controlplane_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/controlplane"
	"github.com/farmountain/aureus-go/internal/strictjson"
)

// witness is a handler between a test and a server. It compares every response with the
// contract document: status, headers, media type and all fields of the body. If it is
// strict, it also compares the requests that succeed.
type responseChecker struct {
	t        *testing.T
	next     http.Handler
	document document
	mux      *http.ServeMux
	strict   bool

	mu   sync.Mutex
	seen map[string][]int // statuses by operation
}

func newResponseChecker(t *testing.T, next http.Handler) *responseChecker {
	t.Helper()
	d := readContract(t)
	return &responseChecker{t: t, next: next, document: d, mux: d.mux(), seen: map[string][]int{}}
}

// ServeHTTP implements [http.Handler].
func (w *responseChecker) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	var asked bytes.Buffer
	r.Body = struct {
		io.Reader
		io.Closer
	}{io.TeeReader(r.Body, &asked), r.Body}
	tee := &teeWriter{ResponseWriter: out}
	w.next.ServeHTTP(tee, r)
	w.record(r, asked.Bytes(), tee)

	name := r.Method + " " + r.URL.EscapedPath()
	found, pattern := w.mux.Handler(r)
	pattern = strings.Replace(pattern, "...}", "}", 1)
	o, known := w.document.operations()[pattern]
	if _, documented := found.(documentedHandler); !documented {
		known = false // the mux refuses or redirects it
	}
	schema := w.document.at("components", "schemas", "Error")
	media := "application/json"
	if known && tee.status != http.StatusMethodNotAllowed {
		w.note(pattern, tee.status)
		response := w.document.response(o, tee.status)
		if response == nil {
			w.t.Errorf("%s: the document has no answer %d: %s", name, tee.status, tee.body.String())
			return
		}
		w.headers(name, tee, object(response["headers"]))
		for kind, content := range object(response["content"]) {
			media, schema = kind, object(object(content)["schema"])
		}
		w.request(name, o, tee, asked.Bytes())
		if tee.status == http.StatusNotModified { // it has no body
			media = ""
		}
	} else if tee.status < 400 {
		w.t.Errorf("%s: answered with %d, and the document knows nothing of it", name, tee.status)
	}
	if got := tee.Header().Get("Content-Type"); got != media {
		w.t.Errorf("%s: Content-Type is %q and not %q", name, got, media)
	}
	if media == "application/json" && r.Method != http.MethodHead {
		w.body(name+": answer", schema, plain(w.t, tee.Header(), tee.body.Bytes()))
	}
}

// exchange is a request and its response, for tools/openapicheck.
type exchange struct {
	Method, URL    string
	RequestHeader  http.Header
	RequestBody    []byte
	Status         int
	ResponseHeader http.Header
	ResponseBody   []byte // not compressed
}

// record appends the exchange to the file that the environment variable
// AUREUS_EXCHANGES names, as a line of JSON.
func (w *responseChecker) record(r *http.Request, body []byte, tee *teeWriter) {
	name := os.Getenv("AUREUS_EXCHANGES")
	if name == "" {
		return
	}
	line, err := json.Marshal(exchange{r.Method, r.URL.String(), r.Header, body, tee.status, tee.Header(), plain(w.t, tee.Header(), tee.body.Bytes())})
	require.NoError(w.t, err)
	w.mu.Lock()
	defer w.mu.Unlock()
	file, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	require.NoError(w.t, err)
	_, err = file.Write(append(line, '\n'))
	require.NoError(w.t, err)
	require.NoError(w.t, file.Close())
}

func (w *responseChecker) note(pattern string, status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.seen[pattern], status) {
		w.seen[pattern] = append(w.seen[pattern], status)
	}
}

// headers checks that the document names every header of the response.
func (w *responseChecker) headers(name string, tee *teeWriter, described map[string]any) {
	named := []string{"Content-Type", "Content-Length", "Content-Encoding", "Cache-Control", "X-Content-Type-Options", "Content-Encoding"}
	for header := range described {
		named = append(named, http.CanonicalHeaderKey(header))
	}
	for header := range tee.Header() {
		if !slices.Contains(named, header) {
			w.t.Errorf("%s: the answer %d has the header %s, and the document does not", name, tee.status, header)
		}
	}
}

// request checks the body of a request, if the handler read all of it.
func (w *responseChecker) request(name string, o operation, tee *teeWriter, asked []byte) {
	body := object(o.body["requestBody"])
	content := object(object(body["content"])["application/json"])
	if !w.strict || content == nil || tee.status != http.StatusOK || strings.Contains(tee.body.String(), `"rejected":[{`) {
		return
	}
	w.body(name+": request", object(content["schema"]), asked)
}

func (w *responseChecker) body(name string, schema map[string]any, text []byte) {
	value, err := strictjson.Parse(text)
	if err != nil {
		w.t.Errorf("%s is no JSON: %v: %s", name, err, text)
		return
	}
	for _, problem := range w.document.check(schema, value, true) {
		w.t.Errorf("%s %s\n%s", name, problem, text)
	}
}

// plain returns the decompressed body.
func plain(t *testing.T, header http.Header, body []byte) []byte {
	t.Helper()
	if header.Get("Content-Encoding") != "gzip" {
		return body
	}
	r, err := gzip.NewReader(bytes.NewReader(body))
	if err == nil {
		body, err = io.ReadAll(r)
	}
	if err != nil {
		t.Errorf("the answer is said to be gzip: %v", err)
	}
	return body
}

// teeWriter keeps a copy of the response.
type teeWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *teeWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *teeWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	w.body.Write(p)
	return w.ResponseWriter.Write(p)
}

func (w *teeWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// site is a server with a real listener and a witness in front of it, for tests that
// send raw HTTP.
type site struct {
	server            *controlplane.Server
	checker           *responseChecker
	url               string
	client            *http.Client
	service, operator string // keys
}

// newSite serves srv until the end of the test.
func newSite(t *testing.T, srv *controlplane.Server) *site {
	t.Helper()
	w := newResponseChecker(t, srv)
	listening := httptest.NewServer(w)
	t.Cleanup(listening.Close)
	client := listening.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // as in the published client
	return &site{
		server: srv, checker: w, url: listening.URL, client: client,
		service: newKey(t, srv, controlplane.RoleService, "svc"), operator: newKey(t, srv, controlplane.RoleOperator, "olga"),
	}
}

// as returns the same site with another key.
func (s *site) as(key string) *site {
	other := *s
	other.service = key
	return &other
}

// get sends a GET as the published Python client does: with a JSON content type.
func (s *site) get(t *testing.T, path string) answer {
	t.Helper()
	return s.send(t, http.MethodGet, path, "")
}

// post sends a POST as the published Python client does. An empty body is sent with
// Content-Length 0.
func (s *site) post(t *testing.T, path, body string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, path, body)
}

// send sends the bytes and headers that the published Python client sends, and checks
// what that client requires of every response: JSON, not empty, no redirect.
func (s *site) send(t *testing.T, method, path, body string) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, s.url+path, strings.NewReader(body))
	require.NoError(t, err)
	request.Header = http.Header{
		"Content-Type": {"application/json"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate"}, "User-Agent": {"python-httpx/0.27.0"},
	}
	if s.service != "" {
		request.Header.Set("Authorization", "Bearer "+s.service)
	}
	response, err := s.client.Do(request)
	require.NoError(t, err)
	defer func() { require.NoError(t, response.Body.Close()) }()
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.NotEqual(t, http.StatusNoContent, response.StatusCode)
	require.NotEqual(t, 3, response.StatusCode/100, "no redirect")
	require.NotEmpty(t, text)
	contentType := "application/json"
	if response.StatusCode == http.StatusOK && strings.HasPrefix(path, "/api/v1/audit/export") {
		contentType = "application/x-ndjson"
	}
	require.Equal(t, contentType, response.Header.Get("Content-Type"), string(text))
	return answer{response.StatusCode, response.Header, string(plain(t, response.Header, text)), path}
}

// ok checks that the response is a success and returns it.
func (a answer) ok(t *testing.T) answer {
	t.Helper()
	require.Equal(t, http.StatusOK, a.status, a.body)
	return a
}

// list returns the body of the response, which must be an array.
func (a answer) list(t *testing.T) []any {
	t.Helper()
	value, err := strictjson.Parse([]byte(a.body))
	require.NoError(t, err, a.body)
	items, ok := value.([]any)
	require.True(t, ok, "the body must be an array: %s", a.body)
	return items
}

// field returns the string at the path of names in the body of the response.
func (a answer) field(t *testing.T, names ...string) string {
	t.Helper()
	value := any(a.json(t))
	for _, name := range names {
		value = object(value)[name]
	}
	text, ok := value.(string)
	require.True(t, ok, "%v: %s", names, a.body)
	return text
}

// decode reads the body of the response into the Go model that corresponds to the model
// of the published client.
func decode[T any](t *testing.T, a answer) (value T) {
	t.Helper()
	require.NoError(t, strictjson.Unmarshal([]byte(a.ok(t).body), &value), a.body)
	return value
}
