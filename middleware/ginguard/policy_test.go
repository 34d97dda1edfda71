package ginguard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/farmountain/aureus-go/middleware/ginguard"
	"github.com/farmountain/aureus-go/middleware/internal/routertest"
)

// ginRoute returns the method and the path of a pattern of net/http as gin writes the path.
func ginRoute(pattern string) (method, path string) {
	method, path, _ = strings.Cut(pattern, " ")
	return method, strings.NewReplacer("{rest...}", "*rest", "{", ":", "}", "").Replace(path)
}

// service returns the service of a test on an engine that configure has changed, with the
// guard in front of everything.
func service(configure ...func(*gin.Engine)) routertest.Service {
	return func(protect func(http.Handler) http.Handler, routes map[string]routertest.Handler) http.Handler {
		engine := gin.New()
		for _, change := range configure {
			change(engine)
		}
		engine.Use(ginguard.Middleware(protect))
		for pattern, handler := range routes {
			method, path := ginRoute(pattern)
			engine.Handle(method, path, func(c *gin.Context) {
				handler(c.Writer, c.Request, func(name string) string {
					if name == "rest" {
						return strings.TrimPrefix(c.Param(name), "/")
					}
					return c.Param(name)
				})
			})
		}
		return engine
	}
}

func TestMiddleware_PolicyBundle_DecidesOnEveryRoute(t *testing.T) {
	routertest.RunPolicy(t, service())
}

// Whatever the engine is set to, a handler runs only after the decision on its own route.
func TestMiddleware_Attacks_ReachNoHandlerWithoutItsDecision(t *testing.T) {
	for name, configure := range map[string]func(*gin.Engine){
		"as it is":                      func(*gin.Engine) {},
		"UseRawPath":                    func(e *gin.Engine) { e.UseRawPath = true },
		"UseRawPath, not unescaped":     func(e *gin.Engine) { e.UseRawPath, e.UnescapePathValues = true, false },
		"UseEscapedPath":                func(e *gin.Engine) { e.UseEscapedPath = true },
		"UseEscapedPath, not unescaped": func(e *gin.Engine) { e.UseEscapedPath, e.UnescapePathValues = true, false },
		"RemoveExtraSlash":              func(e *gin.Engine) { e.RemoveExtraSlash = true },
		"RedirectFixedPath":             func(e *gin.Engine) { e.RedirectFixedPath = true },
		"HandleMethodNotAllowed":        func(e *gin.Engine) { e.HandleMethodNotAllowed = true },
		"a method changed in front": func(e *gin.Engine) {
			e.Use(func(c *gin.Context) {
				if method := c.GetHeader("X-Http-Method-Override"); method != "" {
					c.Request.Method = method
					c.Request.Header.Del("X-Http-Method-Override")
				}
			})
		},
		"no redirects": func(e *gin.Engine) { e.RedirectTrailingSlash = false },
	} {
		t.Run(name, func(t *testing.T) { routertest.RunAttacks(t, service(configure)) })
	}
}
