package middleware_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

const mib = 1 << 20

// echo is a handler that responds with what it can read of the body.
var echo = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	fmt.Fprintf(w, "length=%d encoding=%v trailer=%v err=%v %d ", r.ContentLength, r.TransferEncoding, r.Trailer, err, len(body))
	_, _ = w.Write(body[:min(len(body), 64)])
})

// A guard that reads the body does not affect the handler, and responds with 413 if the body
// is above its limit.
func TestEnforce_Bodies_ReachTheHandler(t *testing.T) {
	bare := serve(t, echo)
	untouched := serve(t, middleware.Enforce(allow, about(small))(echo))
	read := serve(t, middleware.Enforce(reading, about(small))(echo))
	described := serve(t, middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		_, err := io.ReadAll(r.Body)
		return small, err
	})(echo))
	lower := serve(t, middleware.Enforce(reading, about(small), middleware.Options{MaxBody: 10})(echo))
	higher := serve(t, middleware.Enforce(reading, about(small), middleware.Options{MaxBody: 2 * mib})(echo))

	chunked := func(n int) io.Reader { return io.MultiReader(strings.NewReader(strings.Repeat("x", n))) }
	sized := func(n int) io.Reader { return bytes.NewReader(bytes.Repeat([]byte("x"), n)) }
	rows := []struct {
		name  string
		make  func(int) io.Reader
		size  int
		small bool // within 10 bytes
		fits  bool // within 1 MiB
	}{
		{"no bytes", sized, 0, true, true},
		{"no bytes, chunked", chunked, 0, true, true},
		{"ten bytes", sized, 10, true, true},
		{"eleven bytes", sized, 11, false, true},
		{"eleven bytes, chunked", chunked, 11, false, true},
		{"exactly 1 MiB", sized, mib, false, true},
		{"exactly 1 MiB, chunked", chunked, mib, false, true},
		{"1 MiB and 1", sized, mib + 1, false, false},
		{"1 MiB and 1, chunked", chunked, mib + 1, false, false},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			ask := func(server *httptest.Server) (int, string) {
				response, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, row.make(row.size)))
				return response.StatusCode, body
			}
			_, want := ask(bare)
			for name, fits := range map[*httptest.Server]bool{untouched: true, read: row.fits, described: row.fits, lower: row.small, higher: true} {
				status, got := ask(name)
				if fits {
					require.Equal(t, http.StatusOK, status, got)
					require.Equal(t, want, got)
					continue
				}
				require.Equal(t, http.StatusRequestEntityTooLarge, status)
				require.Contains(t, got, `"code":"BODY_TOO_LARGE"`)
			}
		})
	}
}

// The handler can read announced trailers after the body, whether the guard has read the
// body or not.
func TestEnforce_Trailers_ReachTheHandler(t *testing.T) {
	request := "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\n\r\n"
	for name, decider := range map[string]guard.Decider{"untouched": allow, "read before": reading} {
		t.Run(name, func(t *testing.T) {
			server := serve(t, middleware.Enforce(decider, about(small))(echo))
			require.Contains(t, raw(t, server.Listener.Addr().String(), request), "trailer=map[X-Sum:[42]] err=<nil> 3 abc")
		})
	}
}

// A client that waits for 100 Continue gets it only if the body is read, and not for a
// body that is too large.
func TestEnforce_ExpectContinue_IsAnsweredOnlyIfTheBodyIsRead(t *testing.T) {
	rows := []struct {
		name    string
		decider guard.Decider
		length  int
		goOn    bool
		status  string
	}{
		{"allowed and read", reading, 3, true, "200 OK"},
		{"allowed, read by the handler", allow, 3, true, "200 OK"},
		{"denied", saying(aureus.Decision{}, nil), 3, false, "403 Forbidden"},
		{"too large", reading, mib + 1, false, "413 Request Entity Too Large"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			server := serve(t, middleware.Enforce(row.decider, about(small))(echo))
			conn, err := net.Dial("tcp", server.Listener.Addr().String())
			require.NoError(t, err)
			defer func() { _ = conn.Close() }()
			_, err = fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", row.length)
			require.NoError(t, err)
			responses := bufio.NewReader(conn)
			line, err := responses.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, row.goOn, strings.HasPrefix(line, "HTTP/1.1 100 "), line)
			if row.goOn {
				_, err = responses.ReadString('\n')
				require.NoError(t, err)
				_, err = conn.Write([]byte("abc"))
				require.NoError(t, err)
				line, err = responses.ReadString('\n')
				require.NoError(t, err)
			}
			require.Equal(t, "HTTP/1.1 "+row.status+"\r\n", line)
		})
	}
}

// The response is 400 if a client sends less than Content-Length.
func TestEnforce_IncompleteBody_IsRefused(t *testing.T) {
	server := serve(t, middleware.Enforce(reading, about(small))(unreachable(t)))
	response := raw(t, server.Listener.Addr().String(),
		"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n")
	require.True(t, strings.HasPrefix(response, "HTTP/1.1 400 "), response)
}

// The limit of a handler in front gives the same response as the limit of the guard.
func TestEnforce_MaxBytesReaderInFront_IsRespected(t *testing.T) {
	server := serve(t, http.MaxBytesHandler(middleware.Enforce(reading, about(small))(unreachable(t)), 5))
	response, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, io.MultiReader(strings.NewReader("123456"))))
	require.Equal(t, http.StatusRequestEntityTooLarge, response.StatusCode)
	require.Contains(t, body, "at most 5 bytes")
}

// describe may read the body and set another reader. The handler still gets the bytes of
// the request, which an approval binds.
func TestEnforce_DescribeReplacesTheBody_HandlerGetsTheOriginal(t *testing.T) {
	handler := middleware.Enforce(reading, func(r *http.Request) (aureus.Request, error) {
		_, err := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader("forged"))
		return small, err
	})(echo)
	server := serve(t, handler)
	_, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, strings.NewReader("genuine")))
	require.True(t, strings.HasSuffix(body, "genuine"), body)
}

// The handler can read the form, and an approval binds the body.
func TestEnforce_DescribeParsesTheForm_HandlerReadsItAgain(t *testing.T) {
	var bound aureus.Body
	handler := middleware.Enforce(guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
		c, err := request.HTTP.Load()
		bound = c.Body
		return aureus.Decision{Effect: aureus.Allow}, err
	}), func(r *http.Request) (aureus.Request, error) {
		request := small
		request.Arguments = r.FormValue("amount")
		return request, nil
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.FormValue("amount"), body)
	}))
	server := serve(t, handler)
	r := newRequest(t, http.MethodPost, server.URL, strings.NewReader(url.Values{"amount": {"20"}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, body := call(t, server.Client(), r)
	require.Equal(t, "20 amount=20", body)
	require.Equal(t, "amount=20", string(bound))
}

// The server removes the temporary files of a form that a handler behind the guard has
// parsed.
func TestEnforce_MultipartFiles_AreRemoved(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	files := func() []string {
		list, err := filepath.Glob(filepath.Join(os.TempDir(), "multipart-*"))
		require.NoError(t, err)
		return list
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("file", "a.bin")
	require.NoError(t, err)
	_, err = part.Write(bytes.Repeat([]byte("x"), 64<<10))
	require.NoError(t, err)
	require.NoError(t, form.Close())

	server := httptest.NewServer(middleware.Enforce(allow, about(small))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseMultipartForm(1)
		fmt.Fprintf(w, "%v %d", err, len(files()))
	})))
	r := newRequest(t, http.MethodPost, server.URL, &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	_, text := call(t, server.Client(), r)
	require.Equal(t, "<nil> 1", text)
	server.Close() // waits until the request is finished
	require.Empty(t, files())
}

// The guard reads only what the decision needs. The handler gets the bytes that describe
// has read, and then the rest of the stream.
func TestEnforce_LargeUpload_IsStreamed(t *testing.T) {
	const size = 8 * mib
	handler := middleware.Enforce(allow, func(r *http.Request) (aureus.Request, error) {
		magic := make([]byte, 4)
		if _, err := io.ReadFull(r.Body, magic); err != nil || string(magic) != "%PDF" {
			return aureus.Request{}, &middleware.Invalid{Reason: "must be a PDF"}
		}
		return small, nil
	})(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := make([]byte, 4)
		_, _ = io.ReadFull(r.Body, start)
		n, err := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d %v", start, n, err)
	}))
	server := serve(t, handler)
	_, body := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL,
		io.MultiReader(strings.NewReader("%PDF"), io.LimitReader(zeros{}, size))))
	require.Equal(t, fmt.Sprintf("%%PDF %d <nil>", size), body)
	response, _ := call(t, server.Client(), newRequest(t, http.MethodPost, server.URL, strings.NewReader("GIF8")))
	require.Equal(t, http.StatusBadRequest, response.StatusCode)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
