package echoguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"
	echomiddleware "github.com/labstack/echo/v5/middleware"

	"github.com/farmountain/aureus-go/middleware/echoguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

// echoRoute returns the method and the path of a pattern of net/http as echo writes the path.
func echoRoute(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{rest...}", "*", "{", ":", "}", "").Replace(path)
}

// service returns the service of a test on the server that newServer returns, with the guard
// in front of everything.
func service(newServer func() *echo.Echo) routertest.Service {
	return func(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
		e := newServer()
		e.Use(echoguard.Middleware(protect))
		for pattern, handler := range routes {
			method, path := echoRoute(pattern)
			e.Add(method, path, func(c *echo.Context) error {
				handler(c.Response(), c.Request(), func(name string) string {
					if name == "rest" {
						name = "*"
					}
					return c.Param(name)
				})
				return nil
			})
		}
		return e
	}
}

func TestMiddleware_PolicyBundle_DecidesOnEveryRoute(t *testing.T) {
	routertest.RunPolicy(t, service(echo.New))
}

// Whatever the server is set to, a handler runs only after the decision on its own route.
func TestMiddleware_Attacks_ReachNoHandlerWithoutItsDecision(t *testing.T) {
	with := func(config echo.RouterConfig) func() *echo.Echo {
		return func() *echo.Echo { return echo.NewWithConfig(echo.Config{Router: echo.NewRouter(config)}) }
	}
	pre := func(m ...echo.MiddlewareFunc) func() *echo.Echo {
		return func() *echo.Echo {
			e := echo.New()
			e.Pre(m...)
			return e
		}
	}
	use := func(m ...echo.MiddlewareFunc) func() *echo.Echo {
		return func() *echo.Echo {
			e := echo.New()
			e.Use(m...)
			return e
		}
	}
	rewrite := echomiddleware.Rewrite(map[string]string{"/nowhere": "/forgotten", "/healthz": "/accounts/payroll"})
	override := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			if method := c.Request().Header.Get("X-Http-Method-Override"); method != "" {
				c.Request().Method = method
				c.Request().Header.Del("X-Http-Method-Override")
			}
			return next(c)
		}
	}
	for name, newServer := range map[string]func() *echo.Echo{
		"as it is":                      echo.New,
		"UnescapePathParamValues":       with(echo.RouterConfig{UnescapePathParamValues: true}),
		"UseEscapedPathForMatching":     with(echo.RouterConfig{UseEscapedPathForMatching: true}),
		"AutoHandleHEAD":                with(echo.RouterConfig{AutoHandleHEAD: true}),
		"MethodOverride before routing": pre(echomiddleware.MethodOverride()),
		"MethodOverride after routing":  use(echomiddleware.MethodOverride()),
		"a change before routing":       pre(override),
		"a change after routing":        use(override),
		"Rewrite before routing":        pre(rewrite),
		"Rewrite after routing":         use(rewrite),
		"a slash is added":              pre(echomiddleware.AddTrailingSlash()),
		"a slash is removed":            pre(echomiddleware.RemoveTrailingSlash()),
	} {
		t.Run(name, func(t *testing.T) { routertest.RunAttacks(t, service(newServer)) })
	}
}
