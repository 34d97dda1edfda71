package ginguard

import (
	"cmp"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/farmountain/aureus-go/middleware/internal/handover"
	"github.com/farmountain/aureus-go/middleware/internal/routepattern"
)

// Middleware returns gin middleware for a guard, for a route, a group or the whole engine.
// protect is what middleware.Enforce or middleware.EnforceRoutes returned, or a function
// around it that calls the handler it gets on the same goroutine, before it returns, and with a
// context made from that of the request. It is called once, not for each request.
//
// Later handlers run only if protect calls that handler. Otherwise the chain is aborted,
// also if protect responded with nothing. A panic, in the guard or in a later handler,
// continues to the handlers in front. Middleware panics if protect is nil, and if gin has other
// fields than it knows, so that the mistake is found when the program starts.
func Middleware(protect func(http.Handler) http.Handler) gin.HandlerFunc {
	if protect == nil {
		panic("ginguard: Middleware: protect is nil; give what middleware.Enforce or middleware.EnforceRoutes returned")
	}
	layout, err := readLayout(reflect.TypeFor[gin.Context]())
	if err != nil {
		panic(fmt.Sprintf("ginguard: Middleware: it cannot be read by which method gin %s selects a route: %s; use a version of this module for that version", gin.Version, err))
	}
	a := &adapter{chains: chains{layout: layout}}
	a.guarded = protect(http.HandlerFunc(a.next))
	return a.handle
}

// adapter is the middleware of one guard. Its method handle is the same function for every
// guard, so that [Uncovered] recognizes it among the handlers of a route.
type adapter struct {
	guarded http.Handler
	key     handover.Key
	chains  chains
}

// call is a request in the guard.
type call struct {
	context *gin.Context
	passed  bool // the guard has called its handler
}

// handle is a [gin.HandlerFunc].
func (a *adapter) handle(c *gin.Context) {
	own, request := &call{context: c}, c.Request
	r := handover.Request(a.withRoute(c), &a.key, own)
	a.guarded.ServeHTTP(c.Writer, r)
	handover.Return(request, r)
	if !own.passed {
		c.Abort() // gin would call the next handler otherwise, although the guard has refused
	}
}

// withRoute sets the pattern and the path values of the request to those of gin's route, and
// returns the request, or one that the guard refuses.
func (a *adapter) withRoute(c *gin.Context) *http.Request {
	r, route := c.Request, c.FullPath()
	r.Pattern = ""
	unclear := ""
	if route != "" {
		r.Pattern = routepattern.Colon(r.Method, route)
		unclear = routepattern.SameMethod(a.chains.methodOf(c), r.Method)
	}
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

// next is the handler of the guard. It runs the later handlers with the writer and the request
// of the guard.
func (a *adapter) next(guarded http.ResponseWriter, r *http.Request) {
	call := handover.From[*call](r, &a.key)
	call.passed = true
	c := call.context
	own, request := c.Writer, c.Request
	defer func() { c.Writer, c.Request = own, request }()
	w := &writer{ResponseWriter: own, guarded: guarded}
	c.Writer, c.Request = w, r
	c.Next()
	if len(c.Errors) == 0 {
		w.report()
	}
}
