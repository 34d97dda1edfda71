package routertest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

var discard = log.New(io.Discard, "", 0)

// Run runs the tests for a router.
func Run(t *testing.T, router Router) {
	t.Helper()
	for _, place := range router.Places {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", place, http2), func(t *testing.T) {
				t.Run("refused", func(t *testing.T) { testRefused(t, router, place, http2) })
				t.Run("statuses", func(t *testing.T) { testStatuses(t, router, place, http2) })
				t.Run("no response", func(t *testing.T) { testNothing(t, router, place, http2) })
				t.Run("panic", func(t *testing.T) { testPanic(t, router, place, http2) })
				t.Run("events", func(t *testing.T) { testEvents(t, router, place, http2) })
				t.Run("upload", func(t *testing.T) { testUpload(t, router, place, http2) })
				t.Run("multipart", func(t *testing.T) { testMultipart(t, router, place, http2) })
				t.Run("routes", func(t *testing.T) { testRoutes(t, router, place, http2) })
				t.Run("trailers", func(t *testing.T) { testTrailers(t, router, place, http2) })
			})
		}
		t.Run(string(place)+", upgrade", func(t *testing.T) { testUpgrade(t, router, place) })
	}
	t.Run("unknown path", func(t *testing.T) { testUnknown(t, router) })
}

func testRefused(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	for _, route := range Routes {
		s := &service{tier: aureus.TierHigh, handler: func(http.ResponseWriter, *http.Request) {}}
		url, stop := s.start(t, router, place)
		method, path := split(route)
		response, body := ask(t, client(t, http2), method, url+path, nil)
		stop()
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
		require.Contains(t, body, "APPROVALS_NOT_AVAILABLE")
		require.Equal(t, 1, strings.Count(body, `"status"`), "something was written after the refusal")
		require.Zero(t, s.reached, "%s: the handler ran", route)
		require.Zero(t, s.behind, "%s: middleware behind the guard ran", route)
		require.Len(t, s.outcomes, 1)
		require.Equal(t, "refused", s.outcomes[0].Status)
	}
}

func testStatuses(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	for _, status := range []int{200, 201, 204, 302, 404, 409, 418, 500} {
		s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }}
		url, stop := s.start(t, router, place)
		c := client(t, http2)
		c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		response, _ := ask(t, c, http.MethodPost, url+"/api/accounts/7", strings.NewReader("x"))
		stop()
		require.Equal(t, status, response.StatusCode)
		require.Equal(t, 1, s.reached)
		require.Equal(t, 1, s.behind)
		require.Equal(t, []string{router.Account}, s.patterns)
		require.Equal(t, []string{"7"}, s.ids)
		require.Len(t, s.outcomes, 1)
		if status < http.StatusBadRequest {
			require.Equal(t, "success", s.outcomes[0].Status, status)
		} else {
			require.Equal(t, "failed", s.outcomes[0].Status, status)
			require.Equal(t, strconv.Itoa(status), s.outcomes[0].ErrorClass)
		}
	}
}

// A handler that writes nothing answers 200.
func testNothing(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	s := &service{tier: aureus.TierLow, handler: func(http.ResponseWriter, *http.Request) {}}
	url, stop := s.start(t, router, place)
	response, body := ask(t, client(t, http2), http.MethodGet, url+"/api/nothing", nil)
	stop()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.Empty(t, body)
	require.Len(t, s.outcomes, 1)
	require.Equal(t, "success", s.outcomes[0].Status)
}

func testPanic(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	s := &service{tier: aureus.TierLow, handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }}
	url, stop := s.start(t, router, place)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/panic", nil)
	require.NoError(t, err)
	c := client(t, http2)
	response, err := c.Do(request)
	if err == nil {
		_ = response.Body.Close()
	}
	require.Error(t, err, "the panic did not reach net/http")
	c.CloseIdleConnections()
	stop()
	require.Equal(t, 1, s.reached)
	require.Len(t, s.outcomes, 1)
	require.Equal(t, "panicked", s.outcomes[0].Status)
}

// Each event arrives before the next is written.
func testEvents(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	next := make(chan struct{})
	s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 3 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			if flusher, ok := w.(http.Flusher); ok && i > 0 {
				flusher.Flush()
			} else if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
			select {
			case <-next:
			case <-r.Context().Done():
			}
		}
	}}
	url, stop := s.start(t, router, place)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/stream", nil)
	require.NoError(t, err)
	c := client(t, http2)
	response, err := c.Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	lines := bufio.NewReader(response.Body)
	for i := range 3 {
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("data: %d\n", i), line)
		_, err = lines.ReadString('\n')
		require.NoError(t, err)
		next <- struct{}{}
	}
	_, err = lines.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	c.CloseIdleConnections()
	stop()
	require.Len(t, s.outcomes, 1)
	require.Equal(t, "success", s.outcomes[0].Status)
}

// The handler reads a body while it is sent.
func testUpload(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	read := make(chan string)
	s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, r *http.Request) {
		piece := make([]byte, 5)
		for {
			if _, err := io.ReadFull(r.Body, piece); err != nil {
				break
			}
			read <- string(piece)
		}
		w.WriteHeader(http.StatusCreated)
	}}
	url, stop := s.start(t, router, place)
	body, send := io.Pipe()
	go func() {
		for i := range 3 {
			_, _ = fmt.Fprintf(send, "part%d", i)
			if <-read != fmt.Sprintf("part%d", i) {
				_ = send.CloseWithError(io.ErrUnexpectedEOF)
			}
		}
		_ = send.Close()
	}()
	response, _ := ask(t, client(t, http2), http.MethodPut, url+"/api/upload", body)
	stop()
	require.Equal(t, http.StatusCreated, response.StatusCode)
	require.Equal(t, "success", s.outcomes[0].Status)
}

// A form with a file of 3 MiB arrives as it was sent, although an approval could not bind it.
func testMultipart(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	content := strings.Repeat("0123456789abcdef", 3<<16)
	s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, r *http.Request) {
		file, _, err := r.FormFile("file")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		sum := sha256.New()
		_, _ = io.Copy(sum, file)
		fmt.Fprintf(w, "%x %s", sum.Sum(nil), r.FormValue("name"))
	}}
	url, stop := s.start(t, router, place)
	body, send := io.Pipe()
	form := multipart.NewWriter(send)
	go func() {
		_ = form.WriteField("name", "ledger")
		part, _ := form.CreateFormFile("file", "ledger.csv")
		_, _ = io.WriteString(part, content)
		_ = form.Close()
		_ = send.Close()
	}()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url+"/api/upload", body)
	require.NoError(t, err)
	request.Header.Set("Content-Type", form.FormDataContentType())
	c := client(t, http2)
	response, err := c.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_ = response.Body.Close()
	c.CloseIdleConnections()
	stop()
	require.Equal(t, fmt.Sprintf("%x ledger", sha256.Sum256([]byte(content))), string(text))
}

func testTrailers(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "Sum")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("Sum", "of "+r.Trailer.Get("Checksum"))
	}}
	url, stop := s.start(t, router, place)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/trailers", io.MultiReader(strings.NewReader("text")))
	require.NoError(t, err)
	request.Trailer = http.Header{"Checksum": {"abc"}}
	c := client(t, http2)
	response, err := c.Do(request)
	require.NoError(t, err)
	text, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	_ = response.Body.Close()
	c.CloseIdleConnections()
	stop()
	require.Equal(t, "text", string(text))
	require.Equal(t, "of abc", response.Trailer.Get("Sum"))
}

// A path without a route reaches no handler. The guard, where it is asked, sees no pattern.
func testUnknown(t *testing.T, router Router) {
	t.Helper()
	for _, place := range router.Places {
		for _, path := range []string{"/nowhere", "/api/nowhere", "/api"} {
			s := &service{tier: aureus.TierLow, handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }}
			url, stop := s.start(t, router, place)
			response, _ := ask(t, client(t, false), http.MethodGet, url+path, nil)
			stop()
			require.Equal(t, http.StatusNotFound, response.StatusCode, "%s %s", place, path)
			require.Zero(t, s.reached)
			if place == Everything && router.Unknown != nil {
				require.Equal(t, []string{*router.Unknown}, s.patterns)
				require.Len(t, s.outcomes, 1)
				require.Equal(t, "failed", s.outcomes[0].Status, path)
				require.Equal(t, "404", s.outcomes[0].ErrorClass)
			} else if router.Unknown == nil {
				require.Empty(t, s.patterns)
			}
		}
	}
}

// With a table of routes, a bound route is decided with its path values, an open one is
// served, and every other one is refused.
func testRoutes(t *testing.T, router Router, place Place, http2 bool) {
	t.Helper()
	var asked []aureus.Request
	decider := guard.DeciderFunc(func(_ context.Context, request aureus.Request) (aureus.Decision, error) {
		asked = append(asked, request)
		return aureus.Decision{Effect: aureus.Allow}, nil
	})
	identify := func(*http.Request) (aureus.Principal, error) { return aureus.Principal{ID: "agent-7"}, nil }
	protect := middleware.EnforceRoutes(decider, identify, guard.Routes{
		{Pattern: router.Account, Action: aureus.Action{ID: "account.write"}},
		{Pattern: "GET /api/nothing", Open: true},
	})
	var reached []string
	url, stop := serve(t, router.New(place, protect, func() {}, func(_ http.ResponseWriter, r *http.Request) { reached = append(reached, r.URL.Path) }))
	for _, route := range Routes {
		method, path := split(route)
		response, body := ask(t, client(t, http2), method, url+path, nil)
		if path == "/api/accounts/7" || path == "/api/nothing" {
			require.Equal(t, http.StatusOK, response.StatusCode, route)
			continue
		}
		require.Equal(t, http.StatusForbidden, response.StatusCode, route)
		require.Contains(t, body, "ROUTE_NOT_BOUND")
	}
	stop()
	require.Equal(t, []string{"/api/accounts/7", "/api/nothing"}, reached)
	require.Len(t, asked, 1)
	require.Equal(t, router.Account, asked[0].Route)
	require.Equal(t, map[string]any{"id": "7"}, asked[0].Arguments)
}
