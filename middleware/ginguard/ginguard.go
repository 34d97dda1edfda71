package ginguard

import (
	"cmp"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// Middleware returns gin middleware for a guard, for a route, a group or the whole engine.
// protect is what middleware.Enforce or middleware.EnforceRoutes returned, or a function
// around it that calls the handler it gets on the same goroutine and before it returns.
//
// Later handlers run only if protect calls that handler. Otherwise the chain is aborted,
// also if protect responded with nothing. A panic, in the guard or in a later handler,
// continues to the handlers in front. Middleware panics if protect is nil, so that the
// mistake is found when the program starts.
func Middleware(protect func(http.Handler) http.Handler) gin.HandlerFunc {
	if protect == nil {
		panic("ginguard: Middleware: protect is nil; give what middleware.Enforce or middleware.EnforceRoutes returned")
	}
	return (&adapter{protect}).handle
}

// adapter is the middleware of one guard. Its method is the same function for every guard, so
// that [Uncovered] recognizes it among the handlers of a route.
type adapter struct {
	protect func(http.Handler) http.Handler
}

// handle is a [gin.HandlerFunc].
func (a *adapter) handle(c *gin.Context) {
	passed := false
	a.protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		passed = true
		next(c, w, r)
	})).ServeHTTP(c.Writer, withRoute(c))
	if !passed {
		c.Abort() // gin would call the next handler otherwise, although the guard has refused
	}
}

// withRoute sets the pattern and the path values of the request to those of gin's route, and
// returns the request, or one that the guard refuses.
func withRoute(c *gin.Context) *http.Request {
	r, route := c.Request, c.FullPath()
	r.Pattern = ""
	if route != "" {
		r.Pattern = routepattern.Colon(r.Method, route)
	}
	unclear := ""
	for _, parameter := range c.Params {
		check, value := routepattern.Segment, c.Param(parameter.Key) // the first of several with one name
		if strings.HasSuffix(route, "/*"+parameter.Key) {
			check, value = routepattern.Value, strings.TrimPrefix(value, "/") // net/http has no slash in front of the rest of the path
		}
		value, reason := check(value, false)
		unclear = cmp.Or(unclear, reason)
		r.SetPathValue(parameter.Key, value)
	}
	if unclear != "" {
		return routepattern.Refuse(r, unclear)
	}
	return r
}

// next runs the later handlers with the writer and the request of the guard.
func next(c *gin.Context, guarded http.ResponseWriter, r *http.Request) {
	own, request := c.Writer, c.Request
	defer func() { c.Writer, c.Request = own, request }()
	w := &writer{ResponseWriter: own, guarded: guarded}
	c.Writer, c.Request = w, r
	c.Next()
	if len(c.Errors) == 0 {
		w.report()
	}
}
