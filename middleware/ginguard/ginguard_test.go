package ginguard_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/guard"
	"github.com/farmountain/aureus-go/middleware"
	"github.com/farmountain/aureus-go/middleware/ginguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	m.Run()
}

func TestMiddleware_EveryPlace_BehavesAsARouterShould(t *testing.T) {
	empty := ""
	routertest.Run(t, routertest.Router{
		Places:  []routertest.Place{routertest.Everything, routertest.Group, routertest.Route},
		Account: "POST /api/accounts/{id}",
		Unknown: &empty,
		New: func(place routertest.Place, protect func(http.Handler) http.Handler, behind func(), handler http.HandlerFunc) http.Handler {
			g, next := ginguard.Middleware(protect), func(*gin.Context) { behind() }
			engine := gin.New()
			group := &engine.RouterGroup
			var own []gin.HandlerFunc
			switch place {
			case routertest.Everything:
				engine.Use(g, next)
			case routertest.Group:
				group = engine.Group("", g, next)
			default:
				own = []gin.HandlerFunc{g, next}
			}
			api := group.Group("/api")
			for _, route := range routertest.Routes {
				method, path, _ := strings.Cut(route, " /api")
				last := func(c *gin.Context) { handler(c.Writer, c.Request) }
				api.Handle(method, strings.ReplaceAll(path, "{id}", ":id"), slices.Concat(own, []gin.HandlerFunc{last})...)
			}
			return engine
		},
	})
}

// The outcome tells the status that gin sent, whatever the handlers set before.
func TestMiddleware_Status_IsTheOneThatGinSent(t *testing.T) {
	for name, row := range map[string]struct {
		handler gin.HandlerFunc
		front   gin.HandlerFunc
		status  int
		outcome string
	}{
		"changed before the first byte": {handler: func(c *gin.Context) { c.Status(http.StatusInternalServerError); c.String(http.StatusOK, "fine") }, status: 200, outcome: "success"},
		"a status and no body":          {handler: func(c *gin.Context) { c.Status(http.StatusTeapot) }, status: 418, outcome: "failed"},
		"sent at once":                  {handler: func(c *gin.Context) { c.AbortWithStatus(http.StatusConflict) }, status: 409, outcome: "failed"},
		"JSON":                          {handler: func(c *gin.Context) { c.JSON(http.StatusBadRequest, gin.H{"a": 1}) }, status: 400, outcome: "failed"},
		"a failure after the first byte": {handler: func(c *gin.Context) {
			c.String(http.StatusOK, "begun")
			c.AbortWithStatus(http.StatusInternalServerError)
		}, status: 200, outcome: "failed"},
		"an error for a handler in front": {
			handler: func(c *gin.Context) { _ = c.Error(http.ErrBodyNotAllowed) },
			front: func(c *gin.Context) {
				c.Next()
				if len(c.Errors) > 0 {
					c.String(http.StatusBadGateway, "front")
				}
			},
			status: 502, outcome: "unknown",
		},
	} {
		t.Run(name, func(t *testing.T) {
			outcomes := make(chan aureus.Outcome, 1)
			engine := gin.New()
			if row.front != nil {
				engine.Use(row.front)
			}
			engine.Use(ginguard.Middleware(routertest.Sending(outcomes)))
			engine.GET("/", row.handler)
			server := httptest.NewServer(engine)
			response, err := server.Client().Get(server.URL)
			require.NoError(t, err)
			_ = response.Body.Close()
			server.Close()
			require.Equal(t, row.status, response.StatusCode)
			require.Equal(t, row.outcome, (<-outcomes).Status)
		})
	}
}

func TestMiddleware_RecoveredPanic_IsRecorded(t *testing.T) {
	for name, row := range map[string]struct {
		inFront bool
		outcome string
	}{"recovered in front": {true, "panicked"}, "recovered behind": {false, "failed"}} {
		t.Run(name, func(t *testing.T) {
			outcomes := make(chan aureus.Outcome, 1)
			g, recovery := ginguard.Middleware(routertest.Sending(outcomes)), gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) { c.AbortWithStatus(http.StatusInternalServerError) })
			engine := gin.New()
			if row.inFront {
				engine.Use(recovery, g)
			} else {
				engine.Use(g, recovery)
			}
			engine.GET("/", func(*gin.Context) { panic("broken") })
			server := httptest.NewServer(engine)
			response, err := server.Client().Get(server.URL)
			require.NoError(t, err)
			_ = response.Body.Close()
			server.Close()
			require.Equal(t, http.StatusInternalServerError, response.StatusCode)
			require.Equal(t, row.outcome, (<-outcomes).Status)
		})
	}
}

func TestMiddleware_ProtectThatDoesNothing_ReachesNoHandler(t *testing.T) {
	engine := gin.New()
	engine.Use(ginguard.Middleware(func(http.Handler) http.Handler { return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) }))
	engine.GET("/", func(*gin.Context) { t.Error("the handler ran") })
	engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	require.Panics(t, func() { ginguard.Middleware(nil) })
}

// docs/http.md warns of these mistakes. If gin changes so that one of them works, the page
// must change.
func TestGin_WithoutTheAdapter_RunsTheHandlerAfterTheRefusal(t *testing.T) {
	for name, wrong := range map[string]func(func(http.Handler) http.Handler) gin.HandlerFunc{
		"c.Next in the handler of the guard": func(protect func(http.Handler) http.Handler) gin.HandlerFunc {
			return func(c *gin.Context) {
				protect(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					c.Request = r
					c.Next()
				})).ServeHTTP(c.Writer, c.Request)
			}
		},
		"gin.WrapH": func(protect func(http.Handler) http.Handler) gin.HandlerFunc {
			return gin.WrapH(protect(http.NotFoundHandler()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			refuse := func(http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
			}
			ran := false
			engine := gin.New()
			engine.GET("/", wrong(refuse), func(*gin.Context) { ran = true })
			recorder := httptest.NewRecorder()
			engine.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, http.StatusForbidden, recorder.Code)
			require.True(t, ran)
		})
	}
}

// gin and echo give a handler the first of several parameters with one name.
func TestMiddleware_NameTwiceInTheRoute_TheGuardSeesWhatTheHandlerSees(t *testing.T) {
	seen, given := "", ""
	engine := gin.New()
	engine.Use(ginguard.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.PathValue("id")
			next.ServeHTTP(w, r)
		})
	}))
	engine.GET("/users/:id/posts/:id", func(c *gin.Context) { given = c.Param("id") })
	engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/1/posts/2", nil))
	require.Equal(t, []string{"1", "1"}, []string{seen, given})
}

// A table with patterns of net/http, as a policy bundle has them, binds the routes of gin.
func TestMiddleware_TableOfNetHTTPPatterns_GetsTheParametersAsArguments(t *testing.T) {
	var asked []aureus.Request
	decide := guard.DeciderFunc(func(_ context.Context, r aureus.Request) (aureus.Decision, error) {
		asked = append(asked, r)
		return (&guard.Local{}).Decide(context.Background(), r)
	})
	engine := gin.New()
	engine.Use(ginguard.Middleware(middleware.EnforceRoutes(decide, func(*http.Request) (aureus.Principal, error) {
		return aureus.Principal{ID: "agent-7"}, nil
	}, guard.Routes{{Pattern: "GET /files/{owner}/{path...}", Action: aureus.Action{ID: "file.read", Name: "Read", RiskTier: aureus.TierLow}}})))
	engine.GET("/files/:owner/*path", func(c *gin.Context) { c.String(http.StatusOK, "read") })
	engine.GET("/v1/name:verb", func(*gin.Context) { t.Error("a route without a pattern was served") })
	for target, status := range map[string]int{"/files/acme/a/b": http.StatusOK, "/v1/namex": http.StatusForbidden} {
		recorder := httptest.NewRecorder()
		engine.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil))
		require.Equal(t, status, recorder.Code, target)
	}
	require.Len(t, asked, 1)
	require.Equal(t, "GET /files/{owner}/{path...}", asked[0].Route)
	require.Equal(t, map[string]any{"owner": "acme", "path": "a/b"}, asked[0].Arguments)
}

// gin selects the route before any handler runs, so a method that is changed then would be
// decided on, and the handler of the other one would run.
func TestMiddleware_MethodChangedInFront_IsRefused(t *testing.T) {
	decided := 0
	protect := middleware.Enforce(guard.DeciderFunc(func(ctx context.Context, r aureus.Request) (aureus.Decision, error) {
		decided++
		return (&guard.Local{}).Decide(ctx, r)
	}), func(*http.Request) (aureus.Request, error) {
		return aureus.Request{Principal: aureus.Principal{ID: "agent-7"}, Action: aureus.Action{ID: "a", Name: "A", RiskTier: aureus.TierLow}}, nil
	})
	engine := gin.New()
	engine.Use(func(c *gin.Context) {
		if method := c.Query("as"); method != "" {
			c.Request.Method = method
		}
	}, ginguard.Middleware(protect))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		engine.Handle(method, "/a", func(c *gin.Context) { c.String(http.StatusOK, method) })
	}
	ask := func(method, target string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, target, nil))
		return w
	}
	require.Equal(t, "GET", ask(http.MethodGet, "/a").Body.String())
	require.Equal(t, "POST", ask(http.MethodPost, "/a").Body.String())
	engine.DELETE("/later", func(c *gin.Context) { c.Status(http.StatusNoContent) })
	require.Equal(t, http.StatusNoContent, ask(http.MethodDelete, "/later").Code)
	require.Equal(t, 3, decided)
	for _, as := range []string{"GET", "PUT", "post"} {
		w := ask(http.MethodPost, "/a?as="+as)
		require.Equal(t, http.StatusBadRequest, w.Code, as)
		require.Contains(t, w.Body.String(), "method", as)
	}
	require.Equal(t, 3, decided, "no refused request was decided")
}

// Code around the guard, such as tracing, may be costly to build.
func TestMiddleware_Guard_IsBuiltOnce(t *testing.T) {
	built := 0
	engine := gin.New()
	engine.Use(ginguard.Middleware(func(next http.Handler) http.Handler {
		built++
		return next
	}))
	engine.GET("/:id", func(c *gin.Context) { c.String(http.StatusOK, c.Param("id")) })
	for _, id := range []string{"1", "2"} {
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+id, nil))
		require.Equal(t, id, w.Body.String())
	}
	require.Equal(t, 1, built)
}
