package echoguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labstack/echo/v5"

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
