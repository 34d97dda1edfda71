package middleware_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

// calling is a decider that allows and keeps the digest and the call of each request.
type calling struct {
	digests []aureus.Digest
	calls   []aureus.HTTPCall
}

func (c *calling) Decide(_ context.Context, request aureus.Request) (aureus.Decision, error) {
	digest, err := guard.Digest("", request)
	if err != nil {
		return aureus.Decision{}, err
	}
	call, err := request.HTTP.Load() // the second time the result is the same
	c.digests, c.calls = append(c.digests, digest), append(c.calls, *call)
	return aureus.Decision{Effect: aureus.Allow}, err
}

// upload is a part of a form.
type upload struct{ name, file, kind, content string }

// formOf writes a form as clients do.
func formOf(t testing.TB, boundary string, parts ...upload) (contentType, body string) {
	t.Helper()
	var text bytes.Buffer
	w := multipart.NewWriter(&text)
	require.NoError(t, w.SetBoundary(boundary))
	for _, part := range parts {
		header := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="` + part.name + `"`}}
		if part.file != "" {
			header.Set("Content-Disposition", `form-data; name="`+part.name+`"; filename="`+part.file+`"`)
			header.Set("Content-Type", part.kind)
		}
		out, err := w.CreatePart(header)
		require.NoError(t, err)
		_, err = io.WriteString(out, part.content)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return w.FormDataContentType(), text.String()
}

// reader is a handler that responds with the parts of a form, or with the hash of another body.
var reader = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	parts, err := r.MultipartReader()
	if err != nil {
		hash := sha256.New()
		n, err := io.Copy(hash, r.Body)
		fmt.Fprintf(w, "%d %x %v", n, hash.Sum(nil), err)
		return
	}
	var seen bytes.Buffer // the body is read to its end before anything is written
	for {
		part, err := parts.NextPart()
		if err != nil {
			fmt.Fprint(&seen, err)
			_, _ = seen.WriteTo(w)
			return
		}
		hash := sha256.New()
		n, err := io.Copy(hash, part)
		fmt.Fprintf(&seen, "%s %s %s %d %x %v\n", part.FormName(), part.FileName(), part.Header.Get("Content-Type"), n, hash.Sum(nil), err)
	}
})

// uploads sends bodies through a guard on a server.
type uploads struct {
	calling

	server *httptest.Server
	bare   *httptest.Server
}

func newUploads(t *testing.T, options middleware.Options) *uploads {
	t.Helper()
	u := &uploads{}
	u.server = serve(t, middleware.Enforce(&u.calling, about(large), options)(reader))
	u.bare = serve(t, reader)
	return u
}

// send sends a body through the guard, checks that the handler reads it as without a guard, and
// returns the digest and the call.
func (u *uploads) send(t *testing.T, contentType, body string) (aureus.Digest, aureus.HTTPCall) {
	t.Helper()
	post := func(server *httptest.Server) string {
		r := newRequest(t, http.MethodPost, server.URL, strings.NewReader(body))
		r.Host = "x"
		r.Header.Set("Content-Type", contentType)
		response, text := call(t, server.Client(), r)
		require.Equal(t, http.StatusOK, response.StatusCode, text)
		return text
	}
	require.Equal(t, post(u.bare), post(u.server))
	return u.digests[len(u.digests)-1], u.calls[len(u.calls)-1]
}

var photo = []upload{
	{name: "title", content: "Sunset"},
	{name: "photo", file: "a.jpg", kind: "image/jpeg", content: "\xff\xd8\x00\r\n--not the boundary\r\n"},
	{name: "empty"},
}

func TestMultipart_SameUploadWithAnotherBoundary_HasTheSameDigest(t *testing.T) {
	t.Parallel()
	u := newUploads(t, middleware.Options{})
	kind, body := formOf(t, "----WebKitFormBoundary7MA4YWxkTrZu0gW", photo...)
	digest, bound := u.send(t, kind, body)
	kind2, body2 := formOf(t, "5d41402abc4b2a76b9719d911017c592", photo...)
	again, _ := u.send(t, kind2, body2)
	require.Equal(t, digest, again)
	quoted, _ := u.send(t, `Multipart/Form-Data; Boundary="5d41402abc4b2a76b9719d911017c592"`, body2)
	require.Equal(t, digest, quoted)

	// What is bound is a form with the same parts, which an approver can read.
	own, _ := u.send(t, bound.ContentType, string(bound.Body))
	require.Equal(t, digest, own)
	require.Contains(t, string(bound.Body), "Sunset")
	require.NotContains(t, string(bound.Body), "WebKit")
	require.Empty(t, bound.Headers)
}

func TestMultipart_AnyDifferenceInTheParts_HasAnotherDigest(t *testing.T) {
	t.Parallel()
	u := newUploads(t, middleware.Options{})
	digestOf := func(change func([]upload) []upload) aureus.Digest {
		kind, body := formOf(t, "boundary", change(append([]upload(nil), photo...))...)
		digest, _ := u.send(t, kind, body)
		return digest
	}
	same := digestOf(func(p []upload) []upload { return p })
	for name, change := range map[string]func([]upload) []upload{
		"another name":         func(p []upload) []upload { p[0].name = "Title"; return p },
		"another file name":    func(p []upload) []upload { p[1].file = "b.jpg"; return p },
		"another type":         func(p []upload) []upload { p[1].kind = "text/html"; return p },
		"another byte":         func(p []upload) []upload { p[1].content = "\xff\xd8\x01\r\n--not the boundary\r\n"; return p },
		"another order":        func(p []upload) []upload { p[0], p[1] = p[1], p[0]; return p },
		"a part more":          func(p []upload) []upload { return append(p, upload{name: "empty"}) },
		"a part less":          func(p []upload) []upload { return p[:2] },
		"a line break more":    func(p []upload) []upload { p[2].content = "\r\n"; return p },
		"content of two parts": func(p []upload) []upload { p[0].content, p[2].content = "Sun", "set"; return p },
	} {
		require.NotEqual(t, same, digestOf(change), name)
	}
}

// A body that parsers may divide in different ways is bound byte for byte.
func TestMultipart_BodyThatIsNotStrict_IsBoundByItsBytes(t *testing.T) {
	t.Parallel()
	const kind = "multipart/form-data; boundary=b"
	const part = "Content-Disposition: form-data; name=\"a\"\r\n\r\nx"
	const good = "--b\r\n" + part + "\r\n--b--\r\n"
	for name, row := range map[string]struct{ kind, body string }{
		"text before the first delimiter": {kind, "preamble\r\n" + good},
		"text after the last delimiter":   {kind, good + "epilogue"},
		"no line break at the end":        {kind, strings.TrimSuffix(good, "\r\n")},
		"no end":                          {kind, "--b\r\n" + part},
		"an empty body of a form":         {kind, "--b--\r\n"},
		"line feeds alone":                {kind, strings.ReplaceAll(good, "\r\n", "\n")},
		"a delimiter after a line feed":   {kind, "--b\r\n" + part + "\n--b\r\n" + part + "\r\n--b--\r\n"},
		"a delimiter within a line":       {kind, "--b\r\n" + part + " --b\r\n--b--\r\n"},
		"a longer boundary in a part":     {kind, "--b\r\n" + part + "\r\n--bb\r\n\r\n--b--\r\n"},
		"spaces after a delimiter":        {kind, "--b \r\n" + part + "\r\n--b--\r\n"},
		"a part without headers":          {kind, "--b\r\n\r\nx\r\n--b--\r\n"},
		"a line feed in a header":         {kind, "--b\r\nA: 1\nB: 2\r\n\r\nx\r\n--b--\r\n"},
		"a delimiter in a header":         {kind, "--b\r\nA: --b\r\n\r\nx\r\n--b--\r\n"},
		"another parameter":               {kind + "; charset=utf-8", good},
		"a parameter before":              {"multipart/form-data; charset=utf-8; boundary=b", good},
		"two boundaries":                  {kind + "; boundary=c", good},
		"another kind":                    {"multipart/mixed; boundary=b", good},
		"no boundary":                     {"multipart/form-data", good},
		"an unusual boundary":             {`multipart/form-data; boundary="b/"`, strings.ReplaceAll(good, "--b", "--b/")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploads(t, middleware.Options{})
			_, bound := u.send(t, row.kind, row.body)
			require.Equal(t, row.body, string(bound.Body))
			require.Equal(t, row.kind, bound.ContentType)
		})
	}
	u := newUploads(t, middleware.Options{})
	_, bound := u.send(t, kind, good)
	require.NotEqual(t, good, string(bound.Body), "the strict form is bound by its parts")
}

func TestMultipart_TwoContentTypes_AreBoundByTheirBytes(t *testing.T) {
	t.Parallel()
	var c calling
	kind, body := formOf(t, "boundary", photo...)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header["Content-Type"] = []string{kind, "text/plain"}
	middleware.Enforce(&c, about(large))(bare).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, body, string(c.calls[0].Body))
}

func TestMaxStreamed_LongBody_IsHashedAndReachesTheHandler(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	u := newUploads(t, middleware.Options{MaxBody: 1000, MaxStreamed: 3 * mib})
	long := strings.Repeat("0123456789", 200_000)
	digest, bound := u.send(t, "application/octet-stream", long)
	require.Empty(t, bound.Body)
	require.Equal(t, map[string][]string{":body": {fmt.Sprintf("2000000 bytes, sha256:%x", sha256.Sum256([]byte(long)))}}, bound.Headers)
	again, _ := u.send(t, "application/octet-stream", long)
	require.Equal(t, digest, again)
	for name, other := range map[string]string{
		"another last byte":  long[:len(long)-1] + "x",
		"another first byte": "x" + long[1:],
		"a byte less":        long[:len(long)-1],
		"the description":    bound.Headers[":body"][0],
		"nothing":            "",
	} {
		changed, _ := u.send(t, "application/octet-stream", other)
		require.NotEqual(t, digest, changed, name)
	}
	for _, size := range []int{999, 1000, 1001, 1002, 3 * mib} {
		u.send(t, "text/plain", strings.Repeat("x", size))
	}
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left, "no file is left")
}

func TestMaxStreamed_ChunkedBody_IsTheSame(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var c calling
	server := serve(t, middleware.Enforce(&c, about(large), middleware.Options{MaxBody: 10, MaxStreamed: 100})(echo))
	for _, size := range []int{9, 10, 11, 12, 100} {
		response, text := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, io.MultiReader(strings.NewReader(strings.Repeat("x", size)))))
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Contains(t, text, fmt.Sprintf("err=<nil> %d xxx", size))
		require.Equal(t, size > 10, c.calls[len(c.calls)-1].Headers[":body"] != nil)
	}
	response, _ := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, io.MultiReader(strings.NewReader(strings.Repeat("x", 101)))))
	p := readProblem(t, http.StatusRequestEntityTooLarge, response.Header, response.Body)
	require.Equal(t, "at most 100 bytes", p.Errors[0].Detail)
}

func TestMaxStreamed_LongForm_IsBoundByItsParts(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("TMPDIR", folder)
	u := newUploads(t, middleware.Options{MaxBody: 10_000, MaxStreamed: 3 * mib})
	film := strings.Repeat("\r\n--film", 100_000)
	parts := []upload{{name: "title", content: "Sunset"}, {name: "film", file: "a.mp4", kind: "video/mp4", content: film}, {name: "license", content: "free"}}
	kind, body := formOf(t, "one", parts...)
	digest, bound := u.send(t, kind, body)
	kind2, body2 := formOf(t, "another", parts...)
	again, _ := u.send(t, kind2, body2)
	require.Equal(t, digest, again)
	require.Equal(t, []string{fmt.Sprintf("part 2: %d bytes, sha256:%x", len(film), sha256.Sum256([]byte(film)))}, bound.Headers[":body"])
	require.Contains(t, string(bound.Body), "Sunset")
	require.Contains(t, string(bound.Body), "a.mp4")
	require.Less(t, len(bound.Body), 1000)

	parts[1].content = film[:len(film)-1] + "x"
	kind, body = formOf(t, "one", parts...)
	changed, _ := u.send(t, kind, body)
	require.NotEqual(t, digest, changed)

	parts = append(parts, make([]upload, 400)...) // more headers than are kept in memory
	kind, body = formOf(t, "one", parts...)
	_, bound = u.send(t, kind, body)
	require.Empty(t, bound.Body)
	require.Equal(t, kind, bound.ContentType)
	left, err := os.ReadDir(folder)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestMaxStreamed_NoRoomForTheFile_IsUndecided(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	var c calling
	handler := middleware.Enforce(&c, about(large), middleware.Options{MaxBody: 10, MaxStreamed: 100})(unreachable(t))
	p := refusal(t, handler, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 50))), http.StatusServiceUnavailable)
	require.Equal(t, "UNDECIDED", p.Code)
}

// A body that no approval binds goes to the handler as it comes, however long it is.
func TestMaxStreamed_NoApprovalNeeded_WritesNoFile(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir()+"/missing")
	handler := middleware.Enforce(&guard.Local{}, about(small), middleware.Options{MaxBody: 10, MaxStreamed: 100})(echo)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 500))))
	require.Contains(t, w.Body.String(), "err=<nil> 500 ")
}

func TestMaxStreamed_OutOfBounds_Panics(t *testing.T) {
	t.Parallel()
	for _, options := range []middleware.Options{{MaxStreamed: 1}, {MaxStreamed: -1}, {MaxStreamed: mib}, {MaxStreamed: 1<<40 + 1}} {
		require.Panics(t, func() { middleware.Enforce(allow, about(small), options) })
	}
}
