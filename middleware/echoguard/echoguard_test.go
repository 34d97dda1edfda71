package echoguard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	"github.com/stretchr/testify/require"

	"github.com/farmountain/aureus-go/aureus"
	"github.com/farmountain/aureus-go/middleware/echoguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

func TestMiddleware_EveryPlace_BehavesAsARouterShould(t *testing.T) {
	empty := ""
	routertest.Run(t, routertest.Router{
		Places:  []routertest.Place{routertest.Everything, routertest.Group, routertest.Route},
		Account: "POST /api/accounts/{id}",
		Unknown: &empty,
		New: func(place routertest.Place, protect func(http.Handler) http.Handler, behind func(), handler http.HandlerFunc) http.Handler {
			g := echoguard.Middleware(protect)
			next := func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					behind()
					return next(c)
				}
			}
			e := echo.New()
			api := e.Group("/api")
			var own []echo.MiddlewareFunc
			switch place {
			case routertest.Everything:
				e.Use(g, next)
			case routertest.Group:
				api.Use(g, next)
			default:
				own = []echo.MiddlewareFunc{g, next}
			}
			for _, route := range routertest.Routes {
				method, path, _ := strings.Cut(route, " /api")
				api.Add(method, strings.ReplaceAll(path, "{id}", ":id"), func(c *echo.Context) error {
					handler(c.Response(), c.Request())
					return nil
				}, own...)
			}
			return e
		},
	})
}

// The outcome tells the response for the error of a handler, which is written once.
func TestMiddleware_ErrorOfTheHandler_IsSeenByTheGuardAndInFront(t *testing.T) {
	for name, row := range map[string]struct {
		handler echo.HandlerFunc
		status  int
		outcome string
	}{
		"an HTTP error":                     {func(*echo.Context) error { return echo.NewHTTPError(http.StatusConflict, "taken") }, 409, "failed"},
		"any error":                         {func(*echo.Context) error { return http.ErrBodyNotAllowed }, 500, "failed"},
		"an error after the response began": {func(c *echo.Context) error { _ = c.String(http.StatusOK, "begun"); return http.ErrBodyNotAllowed }, 200, "success"},
		"JSON":                              {func(c *echo.Context) error { return c.JSON(http.StatusCreated, "x") }, 201, "success"},
		"no content":                        {func(c *echo.Context) error { return c.NoContent(http.StatusNoContent) }, 204, "success"},
	} {
		t.Run(name, func(t *testing.T) {
			outcomes := make(chan aureus.Outcome, 1)
			var inFront error
			e := echo.New()
			e.Use(func(next echo.HandlerFunc) echo.HandlerFunc {
				return func(c *echo.Context) error {
					inFront = next(c)
					if response, err := echo.UnwrapResponse(c.Response()); err != nil || !response.Committed {
						t.Error("the response is not committed")
					}
					return inFront
				}
			}, echoguard.Middleware(routertest.Sending(outcomes)))
			returned := error(nil)
			e.GET("/", func(c *echo.Context) error {
				returned = row.handler(c)
				return returned
			})
			recorder := httptest.NewRecorder()
			e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
			require.Equal(t, row.status, recorder.Code)
			require.LessOrEqual(t, strings.Count(recorder.Body.String(), "message"), 1)
			require.Equal(t, returned, inFront)
			require.Equal(t, row.outcome, (<-outcomes).Status)
		})
	}
}

// A guard in a writer that cannot be unwrapped: echo needs a response of its own then.
func TestMiddleware_WriterWithoutUnwrap_StillResponds(t *testing.T) {
	type opaque struct{ http.ResponseWriter }
	e := echo.New()
	e.Use(echoguard.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(opaque{w}, r) })
	}))
	e.GET("/", func(*echo.Context) error { return echo.NewHTTPError(http.StatusConflict, "taken") })
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
	require.Equal(t, http.StatusConflict, recorder.Code)
	require.Equal(t, 1, strings.Count(recorder.Body.String(), "taken"))
}

func TestMiddleware_ProtectThatDoesNothing_ReachesNoHandler(t *testing.T) {
	e := echo.New()
	e.Use(echoguard.Middleware(func(http.Handler) http.Handler { return http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}) }))
	e.GET("/", func(*echo.Context) error { t.Error("the handler ran"); return nil })
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	require.Panics(t, func() { echoguard.Middleware(nil) })
}

// gin and echo give a handler the first of several parameters with one name.
func TestMiddleware_NameTwiceInTheRoute_TheGuardSeesWhatTheHandlerSees(t *testing.T) {
	seen, given := "", ""
	engine := echo.New()
	engine.Use(echoguard.Middleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			seen = r.PathValue("id")
			next.ServeHTTP(w, r)
		})
	}))
	engine.GET("/users/:id/posts/:id", func(c *echo.Context) error {
		given = c.Param("id")
		return nil
	})
	engine.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/users/1/posts/2", nil))
	require.Equal(t, []string{"1", "1"}, []string{seen, given})
}

// Code around the guard, such as tracing, may be costly to build.
func TestMiddleware_Guard_IsBuiltOnce(t *testing.T) {
	built := 0
	e := echo.New()
	e.Use(echoguard.Middleware(func(next http.Handler) http.Handler {
		built++
		return next
	}))
	e.GET("/:id", func(c *echo.Context) error { return c.String(http.StatusOK, c.Param("id")) })
	for _, id := range []string{"1", "2"} {
		w := httptest.NewRecorder()
		e.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/"+id, nil))
		require.Equal(t, id, w.Body.String())
	}
	require.Equal(t, 1, built)
}
