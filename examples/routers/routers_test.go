package routers_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/gorilla/mux"
	echov4 "github.com/labstack/echo/v4"
	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/examples/routers"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

// recordingGuard is a guard that records the requests and their outcomes.
type recordingGuard struct {
	tier     aureus.PolicyRiskTier
	patterns []string
	ids      []string
	outcomes []aureus.Outcome
	reached  int // how often a handler ran
}

func (g *recordingGuard) protect() func(http.Handler) http.Handler {
	return middleware.Enforce(&guard.Local{}, func(r *http.Request) (aureus.Request, error) {
		g.patterns, g.ids = append(g.patterns, r.Pattern), append(g.ids, r.PathValue("id"))
		return aureus.Request{
			Principal: aureus.Principal{ID: "agent-7", Type: "agent"},
			Action:    aureus.Action{ID: "account.write", Name: "Write", RiskTier: g.tier},
		}, nil
	}, middleware.Options{Outcomes: func(_ context.Context, o aureus.Outcome) { g.outcomes = append(g.outcomes, o) }})
}

// statusOf returns the status that the handler should respond with; 0 means no
// response.
func statusOf(r *http.Request) int {
	status, _ := strconv.Atoi(r.URL.Query().Get("status"))
	return status
}

// all returns the routers, each with POST /accounts/{id} behind the guard.
func all() map[string]func(*recordingGuard) http.Handler {
	plain := func(g *recordingGuard) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			g.reached++
			if status := statusOf(r); status != 0 {
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "handler")
			}
		}
	}
	return map[string]func(*recordingGuard) http.Handler{
		"gin, a route": func(g *recordingGuard) http.Handler {
			engine := gin.New()
			engine.POST("/accounts/:id", routers.Gin(g.protect()), ginHandler(g))
			return engine
		},
		"gin, everything": func(g *recordingGuard) http.Handler {
			engine := gin.New()
			engine.Use(gin.Recovery(), routers.Gin(g.protect()))
			engine.POST("/accounts/:id", ginHandler(g))
			return engine
		},
		"echo": func(g *recordingGuard) http.Handler {
			e := echo.New()
			e.POST("/accounts/:id", echoHandler(g), routers.Echo(g.protect()))
			return e
		},
		"echo, everything": func(g *recordingGuard) http.Handler {
			e := echo.New()
			e.Use(routers.Echo(g.protect()))
			e.POST("/accounts/:id", echoHandler(g))
			return e
		},
		"echo 4": func(g *recordingGuard) http.Handler {
			e := echov4.New()
			e.POST("/accounts/:id", echoV4Handler(g), routers.EchoV4(g.protect()))
			return e
		},
		"chi": func(g *recordingGuard) http.Handler {
			router := chi.NewRouter()
			router.With(g.protect()).Post("/accounts/{id}", plain(g))
			return router
		},
		"gorilla/mux": func(g *recordingGuard) http.Handler {
			router := mux.NewRouter()
			router.Use(g.protect())
			router.HandleFunc("/accounts/{id}", plain(g)).Methods(http.MethodPost)
			return router
		},
	}
}

func ginHandler(g *recordingGuard) gin.HandlerFunc {
	return func(c *gin.Context) {
		g.reached++
		if status := statusOf(c.Request); status != 0 {
			c.String(status, "handler")
		}
	}
}

func echoHandler(g *recordingGuard) echo.HandlerFunc {
	return func(c *echo.Context) error {
		g.reached++
		if status := statusOf(c.Request()); status >= http.StatusBadRequest {
			return echo.NewHTTPError(status, "handler")
		} else if status != 0 {
			return c.String(status, "handler")
		}
		return nil
	}
}

func echoV4Handler(g *recordingGuard) echov4.HandlerFunc {
	return func(c echov4.Context) error {
		g.reached++
		if status := statusOf(c.Request()); status >= http.StatusBadRequest {
			return echov4.NewHTTPError(status, "handler")
		} else if status != 0 {
			return c.String(status, "handler")
		}
		return nil
	}
}

// ask sends a request over a listener and returns the response with its body.
func ask(t *testing.T, handler http.Handler, path string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close() // waits for the handler
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+path, strings.NewReader("x"))
	require.NoError(t, err)
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	body, err := io.ReadAll(response.Body)
	require.NoError(t, errors.Join(err, response.Body.Close()))
	return response, string(body)
}

func TestRouters_Refused_DoesNotReachTheHandler(t *testing.T) {
	for name, router := range all() {
		t.Run(name, func(t *testing.T) {
			g := &recordingGuard{tier: aureus.TierHigh}
			response, body := ask(t, router(g), "/accounts/7?status=200")
			require.Equal(t, http.StatusForbidden, response.StatusCode)
			require.Equal(t, "application/problem+json", response.Header.Get("Content-Type"))
			require.NotContains(t, body, "handler")
			require.Zero(t, g.reached)
			require.Len(t, g.outcomes, 1)
			require.Equal(t, "refused", g.outcomes[0].Status)
		})
	}
}

func TestRouters_Allowed_ReportsTheStatusAsOutcome(t *testing.T) {
	for name, router := range all() {
		t.Run(name, func(t *testing.T) {
			for _, status := range []int{200, 201, 404, 409, 418, 500} {
				g := &recordingGuard{tier: aureus.TierLow}
				response, body := ask(t, router(g), "/accounts/7?status="+strconv.Itoa(status))
				require.Equal(t, status, response.StatusCode)
				require.Contains(t, body, "handler")
				require.Equal(t, 1, g.reached)
				require.Len(t, g.outcomes, 1)
				if status < http.StatusBadRequest {
					require.Equal(t, "success", g.outcomes[0].Status)
				} else {
					require.Equal(t, "failed", g.outcomes[0].Status)
					require.Equal(t, strconv.Itoa(status), g.outcomes[0].ErrorClass)
				}
			}
		})
	}
}

func TestRouters_Describe_ReceivesTheRoute(t *testing.T) {
	for _, name := range []string{"gin, a route", "gin, everything", "echo", "echo, everything", "echo 4"} {
		g := &recordingGuard{tier: aureus.TierLow}
		response, _ := ask(t, all()[name](g), "/accounts/7?status=200")
		require.Equal(t, http.StatusOK, response.StatusCode)
		require.Equal(t, []string{"POST /accounts/:id"}, g.patterns, name)
		require.Equal(t, []string{"7"}, g.ids, name)
	}
}

// If a router changes so that one of these works, the documentation must
// change.
func TestWrongCode_EachMistake_BehavesAsDocumented(t *testing.T) {
	wrong := func(protect func(http.Handler) http.Handler) gin.HandlerFunc {
		return func(c *gin.Context) {
			protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				c.Request = r
				c.Next()
			})).ServeHTTP(c.Writer, c.Request)
		}
	}
	t.Run("gin runs the handler after the 403", func(t *testing.T) {
		g := &recordingGuard{tier: aureus.TierHigh}
		engine := gin.New()
		engine.POST("/accounts/:id", wrong(g.protect()), ginHandler(g))
		response, body := ask(t, engine, "/accounts/7?status=200")
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Equal(t, 1, g.reached)
		require.Contains(t, body, "handler")
	})
	t.Run("gin.WrapH runs later handlers after the 403", func(t *testing.T) {
		g := &recordingGuard{tier: aureus.TierHigh}
		engine := gin.New()
		engine.POST("/accounts/:id", gin.WrapH(g.protect()(http.NotFoundHandler())), ginHandler(g))
		response, _ := ask(t, engine, "/accounts/7?status=200")
		require.Equal(t, http.StatusForbidden, response.StatusCode)
		require.Equal(t, 1, g.reached)
	})
	t.Run("a response that bypasses the guard is not a success", func(t *testing.T) {
		for _, status := range []string{"200", "404", "409", "418"} {
			g := &recordingGuard{tier: aureus.TierLow}
			engine := gin.New()
			engine.POST("/accounts/:id", wrong(g.protect()), ginHandler(g))
			_, _ = ask(t, engine, "/accounts/7?status="+status)
			require.Equal(t, "unknown", g.outcomes[0].Status, status)
		}
	})
	t.Run("a response of gin itself is not a success", func(t *testing.T) {
		g := &recordingGuard{tier: aureus.TierLow}
		engine := gin.New()
		engine.Use(wrong(g.protect()))
		response, _ := ask(t, engine, "/nowhere")
		require.Equal(t, http.StatusNotFound, response.StatusCode)
		require.Equal(t, "unknown", g.outcomes[0].Status)
	})
	t.Run("an error of echo's handler is not a success", func(t *testing.T) {
		for _, status := range []string{"404", "409", "418"} {
			g := &recordingGuard{tier: aureus.TierLow}
			e := echo.New()
			e.POST("/accounts/:id", echoHandler(g), echo.WrapMiddleware(g.protect()))
			_, _ = ask(t, e, "/accounts/7?status="+status)
			require.Equal(t, "unknown", g.outcomes[0].Status, status)

			old := &recordingGuard{tier: aureus.TierLow}
			four := echov4.New()
			four.POST("/accounts/:id", echoV4Handler(old), echov4.WrapMiddleware(old.protect()))
			_, _ = ask(t, four, "/accounts/7?status="+status)
			require.Equal(t, "unknown", old.outcomes[0].Status, status)
		}
	})
}

// Flush of gin's writer flushes the guard's writer.
func TestGin_Stream_IsFlushed(t *testing.T) {
	g := &recordingGuard{tier: aureus.TierLow}
	next := make(chan struct{})
	engine := gin.New()
	engine.POST("/stream", routers.Gin(g.protect()), func(c *gin.Context) {
		for range 3 {
			_, _ = c.Writer.WriteString("piece\n")
			c.Writer.Flush()
			<-next
		}
	})
	server := httptest.NewServer(engine)
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/stream", nil)
	require.NoError(t, err)
	response, err := server.Client().Do(request)
	require.NoError(t, err)
	defer func() { _ = response.Body.Close() }()
	for range 3 {
		piece := make([]byte, len("piece\n"))
		_, err := io.ReadFull(response.Body, piece)
		require.NoError(t, err)
		next <- struct{}{}
	}
}

// The code that docs/http.md shows for readers to copy is the code of this package.
func TestPage_CodeForGin_IsTheTestedCode(t *testing.T) {
	source, err := os.ReadFile("gin.go")
	require.NoError(t, err)
	_, function, found := strings.Cut(string(source), "func Gin(")
	require.True(t, found)
	function, _, found = strings.Cut(function, "\n}\n")
	require.True(t, found)
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "http.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "func Gin("+function+"\n}\n")
}
